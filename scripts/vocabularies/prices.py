"""The public ids of models and providers in genai-prices; its prices are not read."""

from __future__ import annotations

from importlib.metadata import version

from vocabularies.withheld import is_about_a_person, is_template


def described() -> str:
    """Name the source."""
    return f"genai-prices {version('genai-prices')}"


def models() -> set[str]:
    """Return the ids of the models, without those that would tell of a person."""
    from genai_prices.data import providers

    return {
        model.id
        for provider in providers
        for model in provider.models
        if not is_template(model.id) and not is_about_a_person(model.id)
    }


def providers() -> set[str]:
    """Return the ids of the providers."""
    from genai_prices.data import providers as known

    return {provider.id for provider in known}
