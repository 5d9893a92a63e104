"""What the many spellings of a provider's or a model's name have in common. Plain text in, plain text out."""

from __future__ import annotations

import re
from typing import Final

ROUTERS: Final = frozenset({"litellm"})  #: they pass a call on: who bills it is the first part of the model's name

#: Where a telemetry convention, a framework or an agent calls a provider otherwise than the price tables do.
PROVIDERS: Final = {
    alias: provider
    for provider, aliases in {
        "aws": "aws-bedrock bedrock amazon-bedrock amazon-bedrock-runtime bedrock-converse amazon",
        "azure": "azure-ai azure-openai azure-ai-openai azure-ai-inference az-ai-openai az-ai-inference "
        "azure-cognitive-services",
        "cerebras": "cerebras-ai",
        "cloudflare": "cloudflare-workers-ai workers-ai",
        "cohere": "cohere-chat",
        "fireworks": "fireworks-ai",
        "github-copilot": "copilot",
        "google": "gemini google-gemini google-ai-studio google-genai google-gla google-vertex google-vertex-ai "
        "google-vertex-anthropic vertex vertex-ai vertexai gcp-gemini gcp-gen-ai gcp-vertex-ai",
        "mistral": "mistral-ai mistralai",
        "moonshotai": "moonshot moonshot-ai",
        "novita": "novita-ai",
        "openai": "openai-chat openai-responses",
        "together": "together-ai togetherai",
        "voyageai": "voyage voyage-ai",
        "x-ai": "xai",
        "zai": "z-ai",
        "zhipuai": "zhipu zhipu-ai",
    }.items()
    for alias in aliases.split()
}

_SEPARATORS: Final = re.compile(r"[_.\s]+")
_RESOURCE_PATH: Final = re.compile(r"^(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/[^/]+/)?models/")
_CONTEXT_WINDOW: Final = re.compile(r"\[1m\]$")
_COMPACT_DATE: Final = re.compile(r"-(20[0-9]{2})(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])$")
_BEDROCK: Final = re.compile(
    r"^(?:arn:aws[a-z-]*:bedrock:|(?:[a-z]{2,8}\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshotai|nvidia|openai|qwen|writer|zai)\.)"
)
#: What may stand before a model's own name: a path or resource name, Bedrock's region and vendor.
_PREFIX: Final = re.compile(r"(?:.*[/:])?(?:[a-z0-9]{2,12}\.){0,2}")
#: What may stand after it without making it another model: the date or number of a snapshot.
_SNAPSHOT: Final = (
    r"(?:-v[0-9])?@20[0-9]{6}|-20[0-9]{6}|-20[0-9]{2}-[0-9]{2}-[0-9]{2}|-[0-9]{4}|-0[0-9]{2}|[-@]latest|@default"
    r"|-preview(?:-[0-9]{2}-[0-9]{2}|-[0-9]{2}-20[0-9]{2})?"
)
_SUFFIX: Final = re.compile(rf"(?:{_SNAPSHOT})+$")
_BEDROCK_SUFFIX: Final = re.compile(rf"(?:{_SNAPSHOT}|-v[0-9]+|:[0-9]+k?)+$")


def provider_key(name: str) -> str:
    """A provider's name as the price tables spell it, but with dashes alone."""
    key = _SEPARATORS.sub("-", name.strip().lower())
    return PROVIDERS.get(key, key)


def model_ref(name: str) -> str:
    """A model's name without what says nothing of its price: case, a resource path, a context window, a tuner's id."""
    ref = _CONTEXT_WINDOW.sub("", _RESOURCE_PATH.sub("", name.strip().lower()))
    return ":".join(ref.split(":")[:2]) if ref.startswith("ft:") else ref


def spellings(ref: str) -> list[str]:
    """The name itself and, if it ends in a date without dashes, the same with dashes."""
    dashed = _COMPACT_DATE.sub(r"-\1-\2-\3", ref)
    return [ref] if dashed == ref else [ref, dashed]


def is_bedrock(ref: str) -> bool:
    """Whether only Amazon Bedrock writes model names in this way (``eu.anthropic.claude-…-v1:0``, an ARN)."""
    return _BEDROCK.match(ref) is not None


def stem_length(ref: str, *, bedrock: bool) -> int:
    """How much of the name says which model it is; the rest says which snapshot."""
    found = (_BEDROCK_SUFFIX if bedrock else _SUFFIX).search(ref)
    return found.start() if found else len(ref)


def is_prefix(text: str) -> bool:
    """Whether ``text`` before a model's name leaves it the same model."""
    return _PREFIX.fullmatch(text) is not None
