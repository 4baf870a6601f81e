"""The public ids of models and providers in genai-prices; its prices are not read."""

from __future__ import annotations

from importlib.metadata import version


def described() -> str:
    """Name the source."""
    return f"genai-prices {version('genai-prices')}"


def models() -> set[str]:
    """Give the ids of the models."""
    from genai_prices.data import providers

    return {model.id for provider in providers for model in provider.models}


def providers() -> set[str]:
    """Give the ids of the providers."""
    from genai_prices.data import providers as known

    return {provider.id for provider in known}
