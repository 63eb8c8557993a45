"""``audio-grpc keys``."""

import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from audio_grpc import config
from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.access.policies import ORDINARY, Scope
from audio_grpc.cli.console import ConfigOption, KeysFileOption, console, results
from audio_grpc.errors import ConfigurationError

EXAMPLES = """
Examples:

audio-grpc keys add alice --keys-file keys.json

audio-grpc keys list --keys-file keys.json

audio-grpc keys scopes alice --scope speech --scope admin --keys-file keys.json

audio-grpc keys revoke alice --keys-file keys.json
"""
ADD_EXAMPLES = """
Examples:

audio-grpc keys add alice --keys-file keys.json --streams 4 --characters-per-minute 20000

audio-grpc keys add captions --keys-file keys.json --scope transcription

audio-grpc keys add operator --keys-file keys.json --scope admin

export AUDIO_GRPC_API_KEY=$(audio-grpc keys add myself --keys-file keys.json)
"""
LIST_EXAMPLES = """
Example:

audio-grpc keys list --config audio-grpc.toml
"""
SCOPES_EXAMPLES = """
Examples:

audio-grpc keys scopes alice --scope speech --scope transcription --keys-file keys.json

audio-grpc keys scopes alice --keys-file keys.json
"""
REVOKE_EXAMPLES = """
Examples:

audio-grpc keys revoke alice --keys-file keys.json

audio-grpc keys revoke key_5e0c1d2f9a3b --keys-file keys.json
"""

app = typer.Typer(
    name="keys",
    help="Make, list, change and revoke API keys; a running server follows at once.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)


ScopesOption = Annotated[
    list[Scope] | None,
    typer.Option(
        "--scope",
        help="What the key opens; may be given several times. All but admin if left out.",
        metavar="SCOPE",
    ),
]
SCOPES_HELP = (
    f"Scopes: {', '.join(Scope)}. Any key may list models, voices and its own activities; admin is for what "
    "concerns everybody, such as loading models, and sharing voices."
)


def _limit(of_what: str) -> Any:
    return typer.Option(min=1, metavar="N", help=f"Most {of_what}; no limit if left out.")


@app.command(epilog=f"{SCOPES_HELP}\n{ADD_EXAMPLES}")
def add(
    name: Annotated[str, typer.Argument(help="Who it is for.")],
    scope: ScopesOption = None,
    streams: Annotated[int | None, _limit("calls in progress at once")] = None,
    requests_per_minute: Annotated[int | None, _limit("calls a minute")] = None,
    characters_per_minute: Annotated[int | None, _limit("characters to be spoken a minute")] = None,
    upload_bytes_per_minute: Annotated[int | None, _limit("bytes of recordings a minute")] = None,
    keys_file: KeysFileOption = None,
    config_file: ConfigOption = None,
) -> None:
    """Make a key, and write it to standard output: this once, for the file keeps only its SHA-256."""
    limits = KeyLimits(streams, requests_per_minute, characters_per_minute, upload_bytes_per_minute)
    path = _path(keys_file, config_file)
    key, secret = key_file.add(path, name, limits, scope or ORDINARY)
    console.print(f"added {key.id} ({name}) to {path}; nobody can show the key again:", markup=False)
    sys.stdout.write(f"{secret}\n")


@app.command("list", epilog=LIST_EXAMPLES)
def list_keys(keys_file: KeysFileOption = None, config_file: ConfigOption = None) -> None:
    """List the keys that are let in, and what each may use."""
    table = Table(
        "id", "name", "created", "scopes", *(field.name.replace("_", " ") for field in fields(KeyLimits))
    )
    old = []
    for key in key_file.read(_path(keys_file, config_file)):
        scopes = "all" if key.scopes is None else ", ".join(key.scopes)
        old += [key.name] * (key.scopes is None)
        limits = (getattr(key.limits, field.name) for field in fields(KeyLimits))
        amounts = ("" if limit is None else str(limit) for limit in limits)
        table.add_row(key.id, escape(key.name), f"{key.created:%Y-%m-%d %H:%M %Z}", scopes, *amounts)
    results.print(table)
    if old:
        console.print(
            f"made before there were scopes, so they may do everything, also admin: {', '.join(old)}; say "
            "what each may do with: audio-grpc keys scopes NAME --scope SCOPE",
            markup=False,
        )


@app.command(epilog=f"{SCOPES_HELP}\n{SCOPES_EXAMPLES}")
def scopes(
    key: Annotated[str, typer.Argument(metavar="ID-OR-NAME", help="The key, as `list` shows it.")],
    scope: ScopesOption = None,
    keys_file: KeysFileOption = None,
    config_file: ConfigOption = None,
) -> None:
    """Say anew what a key opens."""
    changed = key_file.set_scopes(_path(keys_file, config_file), key, scope or ORDINARY)
    console.print(f"{changed.id} ({changed.name}) has: {', '.join(changed.scopes or ())}", markup=False)


@app.command(epilog=REVOKE_EXAMPLES)
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID-OR-NAME", help="The key, as `list` shows it.")],
    keys_file: KeysFileOption = None,
    config_file: ConfigOption = None,
) -> None:
    """Let a key in no more; its calls in progress end within seconds."""
    revoked = key_file.revoke(_path(keys_file, config_file), key)
    console.print(f"revoked {revoked.id} ({revoked.name})", markup=False)


def _path(keys_file: Path | None, config_file: Path | None) -> Path:
    """Returns the path of the key file, as the server finds it. Raises ConfigurationError if none is
    configured.
    """
    path = config.load(config_file, keys_file=keys_file).keys_file
    if path is None:
        raise ConfigurationError(
            "nothing says where the keys are; name the file with --keys-file, AUDIO_GRPC_KEYS_FILE, or "
            "keys_file in audio-grpc.toml"
        )
    return path
