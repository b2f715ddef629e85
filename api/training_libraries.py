"""Whether the libraries that training needs are installed."""


def need_training_libraries() -> None:
    """Say in one line what to install where the training libraries are missing."""
    from importlib.util import find_spec

    from lucency.configs.errors import ConfigError

    if find_spec("torch") is None or find_spec("ultralytics") is None:
        raise ConfigError('training needs torch and ultralytics: pip install "lucency[train]"')
