"""How a benchmark says what it found: `name value unit goal`, one a line, and what fell short at the end."""

SHORT: list[str] = []  # names of the figures that missed their goals, of this process


def report(name: str, value: float, unit: str, goal: str) -> None:
    """One line; `goal` is ">= 40" or "<= 50"."""
    sign, bound = goal.split()
    met = value >= float(bound) if sign == ">=" else value <= float(bound)
    if not met:
        SHORT.append(name)
    print(f"{name} {value:.4g} {unit} {goal}{'' if met else '  SHORT'}", flush=True)


def conclude() -> int:
    """How many fell short, and which; returns the exit code."""
    print(f"{len(SHORT)} short{': ' + ', '.join(SHORT) if SHORT else ''}")
    return 1 if SHORT else 0
