"""What the service is told from outside: the command line, the environment, or a file."""

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from lucency.configs.errors import ConfigError
from lucency.configs.inference import InferenceOptions, TileSpec
from lucency.configs.session import cores_of_this_process
from lucency.configs.yaml_files import read_yaml
from lucency.datasets.sandbox import DEFAULT_SECONDS

PREFIX = "LUCENCY_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
DEFAULT_PORT = 8000
LEAST_TILE = 64  # pixels, as `TileSpec` says
# A 16-bit radiograph of 4,000 × 4,000 pixels without compression is 32 MB.
DEFAULT_MAX_UPLOAD_BYTES = 64 * 2**20
# While one image is in the networks, another is decoded.
ANALYSES_PER_CORE = 2


class Settings(BaseSettings):
    """Settings of one service process; each field is read from ``LUCENCY_<FIELD>`` too.

    ``bundles`` are folders or names of shipped bundles, separated by commas in the environment;
    none means those that are shipped for any use. ``tiles`` (the side of a tile in pixels) and
    ``flip`` are how detectors look, in place of what stands in their bundles; with ``ensemble``
    all of them answer as one.

    ``cores`` is how many cores the models use (0: all). Up to ``batch_size`` images that arrive
    within ``batch_window_ms`` go through a network together. ``analyses_at_once`` images are in
    the works at the same time (None: two for each core), and ``queue_size`` more requests may wait;
    above that a request is refused before its body is read.

    ``max_upload_bytes`` counts the whole request body, ``max_batch_images`` the images in it.
    ``decode_timeout_s`` is how long decoding one image may take, ``deadline_s`` how long a request
    may take from its first byte to its answer, ``body_timeout_s`` how long a client may send
    nothing while the service waits for it. After SIGTERM, `/readyz` is 503 for ``drain_s`` before
    connections are refused.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    bundles: Annotated[tuple[str, ...], NoDecode] = ()
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65535)
    tiles: int | None = Field(default=None, ge=LEAST_TILE)
    flip: bool = False
    ensemble: bool = False
    cores: int = Field(default=0, ge=0, le=256)
    batch_size: int = Field(default=4, ge=1, le=256)
    batch_window_ms: float = Field(default=0.0, ge=0.0, le=1000.0)
    analyses_at_once: int | None = Field(default=None, ge=1, le=512)
    queue_size: int = Field(default=16, ge=0, le=10_000)
    max_upload_bytes: int = Field(default=DEFAULT_MAX_UPLOAD_BYTES, ge=1024)
    max_batch_images: int = Field(default=32, ge=1, le=1000)
    decode_timeout_s: float = Field(default=DEFAULT_SECONDS, ge=0.1, le=600.0)
    deadline_s: float = Field(default=30.0, ge=0.1, le=3600.0)
    body_timeout_s: float = Field(default=8.0, ge=0.1, le=600.0)
    drain_s: float = Field(default=0.0, ge=0.0, le=600.0)
    api_keys_file: Path | None = None
    audit_file: Path | None = None
    feedback_folder: Path | None = None

    @field_validator("bundles", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("api_keys_file", "audit_file", "feedback_folder")
    @classmethod
    def _named(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        # An empty variable would name the working directory.
        if value == Path():
            raise ValueError("must name a file or folder")
        return value

    @property
    def options(self) -> InferenceOptions | None:
        """What detectors are to do in place of their bundles' own options; None for those."""
        if self.tiles is None and not self.flip:
            return None
        tiles = TileSpec(size=self.tiles) if self.tiles is not None else None
        return InferenceOptions(tiles=tiles, flip=self.flip)

    @property
    def cores_used(self) -> int:
        """How many cores the models use."""
        return self.cores or cores_of_this_process()

    @property
    def at_once(self) -> int:
        """How many images are in the works at the same time."""
        return self.analyses_at_once or ANALYSES_PER_CORE * self.cores_used

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether ``host``, a name or an address, stands for this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_settings(*, config: Path | None = None, **given: Any) -> Settings:
    """Read the settings: what is ``given`` and not None, then the environment, then a file.

    The file is ``config``, or what ``LUCENCY_CONFIG`` names: a YAML mapping of fields to values.

    Raises
    ------
    ConfigError
        The file cannot be read or has an unknown key, or a value is wrong; the message names the
        option, the variable, or the file and its key.

    """
    from_options = {name: value for name, value in given.items() if value is not None}
    path = config or Path(os.environ.get(CONFIG_VARIABLE, ""))
    in_file = read_yaml(path) if path != Path() else {}
    for key in in_file:
        if key not in Settings.model_fields:
            known = ", ".join(Settings.model_fields)
            raise ConfigError(f"{path}: unknown key '{key}'; the keys are {known}")
    in_environment = {name.upper() for name in os.environ}
    from_file = {
        key: value
        for key, value in in_file.items()
        if f"{PREFIX}{key.upper()}" not in in_environment
    }

    def source(field: str) -> str:
        if field in from_options:
            return f"--{field.replace('_', '-')}"
        return f"{path}: {field}" if field in from_file else PREFIX + field.upper()

    try:
        return Settings(**(from_file | from_options))
    except ValidationError as error:
        problems = "; ".join(
            f"{source(str(problem['loc'][0]))}: {_described(problem)}" for problem in error.errors()
        )
        raise ConfigError(f"settings: {problems}") from None


def _described(problem: Any) -> str:
    message = problem["msg"].removeprefix("Input ").removeprefix("Value error, ")
    given = problem["input"]
    shown = str(given) if isinstance(given, Path) else given
    return f"{message}, got {shown!r:.60}"
