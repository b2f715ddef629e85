"""What the service is told from outside: ``LUCENCY_…`` in the environment, or the command line."""

import ipaddress
import os
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from lucency.configs.errors import ConfigError
from lucency.configs.inference import InferenceOptions, TileSpec
from lucency.datasets.sandbox import DEFAULT_SECONDS

PREFIX = "LUCENCY_"
DEFAULT_PORT = 8000
LEAST_TILE = 64  # pixels, as `TileSpec` says
# A 16-bit radiograph of 4,000 × 4,000 pixels without compression is 32 MB.
DEFAULT_MAX_UPLOAD_BYTES = 64 * 2**20


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


class Settings(BaseSettings):
    """Settings of one service process; each field is read from ``LUCENCY_<FIELD>``.

    ``bundles`` are folders or names of shipped bundles, separated by commas in the environment;
    none means those that are shipped for any use. ``max_upload_bytes`` counts the whole request
    body. ``analyses_at_once`` limits how many images are decoded and analysed at the same time, and
    is the number of decoding processes; ``decode_timeout_s`` limits how long one image may take
    there. ``threads`` is how many threads one model uses (0: one for each core). ``tiles`` (the
    side of a tile in pixels) and ``flip`` are how detectors look, in place of what stands in
    their bundles; with ``ensemble`` all of them answer as one.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    bundles: Annotated[tuple[str, ...], NoDecode] = ()
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65535)
    max_upload_bytes: int = Field(default=DEFAULT_MAX_UPLOAD_BYTES, ge=1024)
    analyses_at_once: int = Field(default_factory=_cores, ge=1, le=256)
    decode_timeout_s: float = Field(default=DEFAULT_SECONDS, ge=0.1, le=600.0)
    threads: int = Field(default=0, ge=0, le=256)
    tiles: int | None = Field(default=None, ge=LEAST_TILE)
    flip: bool = False
    ensemble: bool = False

    @field_validator("bundles", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @property
    def options(self) -> InferenceOptions | None:
        """What detectors are to do in place of their bundles' own options; None for those."""
        if self.tiles is None and not self.flip:
            return None
        tiles = TileSpec(size=self.tiles) if self.tiles is not None else None
        return InferenceOptions(tiles=tiles, flip=self.flip)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def read_settings(**given: Any) -> Settings:
    """Read the environment; what is ``given`` and not None goes before it.

    Raises
    ------
    ConfigError
        A value is wrong; the message names the variable.

    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        problems = "; ".join(
            f"{PREFIX}{'_'.join(str(part) for part in problem['loc']).upper()}: "
            f"{problem['msg'].removeprefix('Input ')}, got {problem['input']!r:.60}"
            for problem in error.errors()
        )
        raise ConfigError(f"settings: {problems}") from None
