"""Every page of Vivarium. Streamlit runs this script for each visit."""

from apps.course import HOME, TOPICS
from shared.ui.frame import show

show(HOME, TOPICS)
