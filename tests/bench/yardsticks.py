"""What transformers does in a plain loop, for the same work, on one thread: prints how often a second.

    python -m tests.bench.yardsticks writing|training SECONDS

Each runs in a process of its own, so that neither its imports nor its threads touch what it is compared with.
"""

import sys
import time
from collections.abc import Callable

import torch
from transformers import DynamicCache, GPT2Config, GPT2LMHeadModel, LlamaForCausalLM

from apps.transformer.tiny_gpt import BETAS, TinyGpt, TinyGptConfig
from shared.models.cache import the_cache


def writing() -> Callable[[], None]:
    """One token of SmolLM2, the likeliest, with keys and values kept; from the default prompt of the scene."""
    opened = the_cache().open("smollm2-135m-instruct")
    model = LlamaForCausalLM.from_pretrained(opened.weights.parent, dtype=torch.float32).eval()
    state = {
        "past": DynamicCache(config=model.config),
        "tokens": torch.tensor([opened.tokenizer.encode("The capital of Spain is").ids]),
    }

    @torch.inference_mode()
    def token() -> None:
        answer = model(state["tokens"], past_key_values=state["past"], use_cache=True)
        state["tokens"] = answer.logits[:, -1:].argmax(2)

    return token


def training() -> Callable[[], None]:
    """One step of a GPT-2 of the default tiny GPT's size, on the same batches."""
    config = TinyGptConfig()
    ours = TinyGpt(config, 0)
    size = GPT2Config(
        vocab_size=len(ours.alphabet), n_positions=config.context, n_embd=config.width, n_layer=config.layers,
        n_head=config.heads, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(size).train()
    optimizer = torch.optim.Adam(model.parameters(), config.learning_rate, BETAS, fused=True)

    def step() -> None:
        ours.sample()
        scores = model(ours.inputs, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), ours.targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    once = {"writing": writing, "training": training}[sys.argv[1]]()
    for _ in range(3):
        once()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < float(sys.argv[2]):
        once()
        count += 1
    print(count / (time.perf_counter() - start))


if __name__ == "__main__":
    main()
