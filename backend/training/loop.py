# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop: any number of iterations, resumable from a kill at any moment, on what `accelerate` finds.

The state of a run is one safetensors file (weights, averaged weights, Adam's moments, the step), replaced whole.
Batches are functions of (seed, step), so a resumed run sees what an unbroken one would have seen.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import is_tensorboard_available, set_seed
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

_LOG_EVERY = 20  # iterations between two points of the curves in tensorboard

Losses = Mapping[str, Tensor]
Evaluate = Callable[[nn.Module], tuple[float, dict[str, float]]]


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast to train."""

    iterations: int
    learning_rate: float = 1e-3
    warm_up: int = 100  # iterations
    weight_decay: float = 0.01
    average: float = 0.998  # decay of the averaged weights
    clip_norm: float = 1.0
    save_every: int = 200  # iterations
    evaluate_every: int = 500  # iterations
    bfloat16: bool = False  # compute in bfloat16 where that is faster; weights stay float32
    seed: int = 0


def train(
    network: nn.Module,
    step_losses: Callable[[nn.Module, int, torch.device], Losses],
    config: LoopConfig,
    folder: Path,
    evaluate: Evaluate,
) -> nn.Module:
    """Train a network and keep its best averaged weights.

    Args:
        network: What to train; its `losses` are computed by `step_losses`.
        step_losses: (network, step, device) to named losses; `total` is minimised.
        config: The run.
        folder: Where `state.safetensors`, `best.safetensors`, `log.jsonl` and, where tensorboard is installed, its
            curves go; an existing state is resumed.
        evaluate: Averaged network to (score, figures); the highest score is kept.

    Returns:
        The network with its best averaged weights, on the CPU.
    """
    set_seed(config.seed)
    folder.mkdir(parents=True, exist_ok=True)
    accelerator = Accelerator(
        mixed_precision="bf16" if config.bfloat16 and is_bfloat16_fast() else "no",
        log_with="tensorboard" if is_tensorboard_available() else None,
        project_dir=folder,
    )
    accelerator.init_trackers("tensorboard")
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.99)
    )
    prepared, optimizer = accelerator.prepare(network, optimizer)
    average = {key: value.detach().clone() for key, value in network.state_dict().items()}
    step, best = resume(folder, network, optimizer, average)
    began = time.monotonic()
    with tqdm(total=config.iterations, initial=step, desc=folder.name, disable=not accelerator.is_main_process) as bar:
        while step < config.iterations:
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * rate_at(step, config)
            prepared.train()
            losses = step_losses(prepared, step, accelerator.device)
            optimizer.zero_grad()
            accelerator.backward(losses["total"])
            accelerator.clip_grad_norm_(network.parameters(), config.clip_norm)
            optimizer.step()
            step += 1
            update_average(average, network, min(config.average, (1 + step) / (10 + step)))
            bar.update()
            if step % _LOG_EVERY == 0:
                accelerator.log({f"loss/{name}": float(value.detach()) for name, value in losses.items()}, step)
            if accelerator.is_main_process and (step % config.evaluate_every == 0 or step == config.iterations):
                seconds = time.monotonic() - began
                best, figures = _evaluated(network, average, evaluate, step, best, losses, folder, seconds)
                accelerator.log({f"judged/{name}": value for name, value in figures.items()}, step)
            if accelerator.is_main_process and (step % config.save_every == 0 or step == config.iterations):
                save_state(folder, network, optimizer, average, step, best)
    accelerator.end_training()
    trained: nn.Module = accelerator.unwrap_model(prepared, keep_fp32_wrapper=False)
    trained.load_state_dict(load_tensors(folder / "best.safetensors")[0])
    return trained.cpu().eval()


def is_bfloat16_fast() -> bool:
    """Whether bfloat16 pays on this machine, by trying: a processor that emulates it takes ten times as long."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    seconds = {}
    for kind in (torch.float32, torch.bfloat16):
        layer, hidden = nn.Conv1d(128, 128, 3).to(kind), torch.zeros(16, 128, 96, dtype=kind)
        layer(hidden)
        began = time.perf_counter()
        for _ in range(5):
            layer(hidden)
        seconds[kind] = time.perf_counter() - began
    return seconds[torch.bfloat16] < 0.9 * seconds[torch.float32]


def rate_at(step: int, config: LoopConfig) -> float:
    """Share of the learning rate at a step: linear warm-up, then half a cosine down to 2%."""
    if step < config.warm_up:
        return (step + 1) / config.warm_up
    progress = (step - config.warm_up) / max(1, config.iterations - config.warm_up)
    return 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * progress))


def update_average(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    """Move the averaged weights towards the network's; integers are copied."""
    for key, value in network.state_dict().items():
        if value.is_floating_point():
            average[key].lerp_(value.detach(), 1.0 - decay)
        else:
            average[key].copy_(value)


def _evaluated(
    network: nn.Module,
    average: dict[str, Tensor],
    evaluate: Evaluate,
    step: int,
    best: float,
    losses: Losses,
    folder: Path,
    seconds: float,
) -> tuple[float, dict[str, float]]:
    """Judge the averaged weights, log, and keep them where they are the best so far; returns best score, figures."""
    present = {key: value.detach().clone() for key, value in network.state_dict().items()}
    network.load_state_dict(average)
    network.eval()
    with torch.inference_mode():
        score, figures = evaluate(network)
    network.load_state_dict(present)
    entry = {"step": step, "seconds": round(seconds, 1), "score": score, **figures}
    entry |= {f"loss_{name}": float(value.detach()) for name, value in losses.items()}
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
    tqdm.write(" ".join(f"{key}={value:.4g}" for key, value in entry.items()))
    if score > best:
        write_tensors(folder / "best.safetensors", average, {"step": str(step), "score": str(score)})
    return max(score, best), {"score": score, **figures}


def save_state(
    folder: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: dict[str, Tensor],
    step: int,
    best: float,
) -> None:
    """Write everything a resumed run needs."""
    tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
    tensors |= {f"average.{key}": value for key, value in average.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": value for name, value in state.items()}
    write_tensors(folder / "state.safetensors", tensors, {"step": str(step), "best": str(best)})


def resume(
    folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, average: dict[str, Tensor]
) -> tuple[int, float]:
    """Load the state of an interrupted run into the network, the optimizer and the average; returns (step, best)."""
    path = folder / "state.safetensors"
    if not path.exists():
        return 0, -math.inf
    tensors, metadata = load_tensors(path)
    network.load_state_dict(_under("network.", tensors))
    for key, value in _under("average.", tensors).items():
        average[key].copy_(value)
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _under("adam.", tensors).items():
        index, name = key.split(".")
        moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return int(metadata["step"]), float(metadata["best"])


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, replacing it whole or not at all."""
    partial = path.with_name(path.name + ".part")
    save_file({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, partial, dict(metadata))
    partial.replace(path)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file: its tensors and its metadata."""
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
