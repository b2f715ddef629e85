"""`lucency serve`: the analysis over HTTP."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from lucency.api.model_options import Bundles, Ensemble, Flip, Tiles

_WHERE, _WORK, _LIMITS, _FILES = "Where", "Work", "Limits", "Files"

Config = Annotated[Path | None, typer.Option(help="YAML file of settings; options go before it.")]
Host = Annotated[
    str | None,
    typer.Option(rich_help_panel=_WHERE, help="Address to listen on.", show_default="127.0.0.1"),
]
Port = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        rich_help_panel=_WHERE,
        help="Port; 0 takes a free one.",
        show_default="8000",
    ),
]
KeysFile = Annotated[
    Path | None,
    typer.Option(rich_help_panel=_FILES, help="Who may ask; `lucency key` makes its lines."),
]
AuditFile = Annotated[
    Path | None, typer.Option(rich_help_panel=_FILES, help="Record every analysis here.")
]
FeedbackFolder = Annotated[
    Path | None, typer.Option(rich_help_panel=_FILES, help="Store here what readers correct.")
]
Cores = Annotated[
    int | None,
    typer.Option(min=0, rich_help_panel=_WORK, help="Cores for the models.", show_default="all"),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        rich_help_panel=_WORK,
        help="Most images that go through a network together.",
        show_default="4",
    ),
]
BatchWindow = Annotated[
    float | None,
    typer.Option(
        min=0,
        rich_help_panel=_WORK,
        help="How long the first of them waits for more.",
        show_default="0",
    ),
]
AtOnce = Annotated[
    int | None,
    typer.Option(
        min=1,
        rich_help_panel=_WORK,
        help="Images in the works at the same time.",
        show_default="2 for each core",
    ),
]
QueueSize = Annotated[
    int | None,
    typer.Option(
        min=0,
        rich_help_panel=_WORK,
        help="Requests that may wait; more are refused.",
        show_default="16",
    ),
]
MaxUpload = Annotated[
    int | None,
    typer.Option(
        min=1024, rich_help_panel=_LIMITS, help="Largest request body.", show_default="67108864"
    ),
]
MaxImages = Annotated[
    int | None,
    typer.Option(
        min=1, rich_help_panel=_LIMITS, help="Most images in one request.", show_default="32"
    ),
]
DecodeTimeout = Annotated[
    float | None,
    typer.Option(rich_help_panel=_LIMITS, help="For decoding one image.", show_default="1.8"),
]
Deadline = Annotated[
    float | None,
    typer.Option(rich_help_panel=_LIMITS, help="For a whole request.", show_default="30"),
]
BodyTimeout = Annotated[
    float | None,
    typer.Option(
        rich_help_panel=_LIMITS, help="How long a client may send nothing.", show_default="8"
    ),
]
Drain = Annotated[
    float | None,
    typer.Option(
        min=0,
        rich_help_panel=_LIMITS,
        help="How long to answer on after SIGTERM, no longer ready.",
        show_default="0",
    ),
]


def serve(
    config: Config = None,
    host: Host = None,
    port: Port = None,
    api_keys_file: KeysFile = None,
    audit_file: AuditFile = None,
    feedback_folder: FeedbackFolder = None,
    bundle: Bundles = None,
    tiles: Tiles = None,
    flip: Flip = False,
    ensemble: Ensemble = False,
    cores: Cores = None,
    batch_size: BatchSize = None,
    batch_window_ms: BatchWindow = None,
    analyses_at_once: AtOnce = None,
    queue_size: QueueSize = None,
    max_upload_bytes: MaxUpload = None,
    max_batch_images: MaxImages = None,
    decode_timeout_s: DecodeTimeout = None,
    deadline_s: Deadline = None,
    body_timeout_s: BodyTimeout = None,
    drain_s: Drain = None,
) -> None:
    """Serve boxes and class probabilities over HTTP.

    Every setting may also come from the environment, as LUCENCY_PORT, or stand in the file of
    --config, as port: 8000. Several bundles are LUCENCY_BUNDLES, with commas between.
    """
    # "Reload" by default ends a process; until bundles are read there is nothing to reload.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from lucency.api.settings import read_settings

    settings = read_settings(
        config=config,
        bundles=tuple(bundle) if bundle else None,
        host=host,
        port=port,
        tiles=tiles,
        flip=flip or None,
        ensemble=ensemble or None,
        cores=cores,
        batch_size=batch_size,
        batch_window_ms=batch_window_ms,
        analyses_at_once=analyses_at_once,
        queue_size=queue_size,
        max_upload_bytes=max_upload_bytes,
        max_batch_images=max_batch_images,
        decode_timeout_s=decode_timeout_s,
        deadline_s=deadline_s,
        body_timeout_s=body_timeout_s,
        drain_s=drain_s,
        api_keys_file=api_keys_file,
        audit_file=audit_file,
        feedback_folder=feedback_folder,
    )

    from lucency.api.server import run_server

    run_server(settings)
