"""Completion for fish: one `complete` for each thing that can follow. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.cli.completion_words import Command, Value

#: Succeeds where the words in front name the command $argv[1], and where $argv[2] is given, its
#: argument of that number comes. The lists tell what are commands, and options with a value.
_WALK: Final = """\
function __devwiz_gw_at
    set -l path ''
    set -l place 1
    set -l option ''
    set -l rest 0
    for word in (commandline -opc)[2..-1]
        if test $rest -gt 0
            set rest (math $rest + 1)
        else if test -n "$option"
            set option ''
        else if test "$word" = --
            set rest 1
        else if string match -q -- '-*' $word
            contains -- "$path|$word" $__devwiz_gw_valued; and set option $word
        else if contains -- (string trim "$path $word") $__devwiz_gw_commands
            set path (string trim "$path $word")
            set place 1
        else if contains -- "$path|$place" $__devwiz_gw_valued
            set rest 2
        else
            set place (math $place + 1)
        end
    end
    test "$path" = "$argv[1]"; or return 1
    switch "$argv[2]"
        case first
            test $rest -eq 1
        case rest
            test $rest -gt 1
        case ''
            test $rest -eq 0
        case '*'
            test $rest -eq 0 -a "$place" = "$argv[2]"
    end
end
function __devwiz_gw_names
    set -l words (commandline -opc)
    set -l config
    if set -l at (contains -i -- --config $words); and set -q words[(math $at + 1)]
        set config --config $words[(math $at + 1)]
    end
    set -l before ""
    if test "$argv[1]" = variables
        set before (string match -r '^.*,' -- (commandline -ct)); or set before ""
    end
    for name in ($words[1] $config completion --names $argv[1] 2>/dev/null)
        echo -- $before$name
    end
end
complete -c devwiz-gw -e
complete -c devwiz-gw -f
"""


def fish(commands: Iterable[Command]) -> str:
    """For `source` in fish 3.1 or newer."""
    commands = list(commands)
    paths = [command.path for command in commands if command.path]
    valued = [
        f"{command.path}|{flag}"
        for command in commands
        for option in command.options
        if option.value is not None
        for flag in option.flags
    ]
    valued += [
        f"{command.path}|{number}"
        for command in commands
        for number, place in enumerate(command.places, start=1)
        if place.kind == "command"
    ]
    head = "# Completion of devwiz-gw: devwiz-gw completion fish | source\n"
    lists = _set("__devwiz_gw_commands", paths) + _set("__devwiz_gw_valued", valued)
    lines = [line for command in commands for line in _completes(command)]
    return head + lists + _WALK + "".join(f"complete -c devwiz-gw {line}\n" for line in lines)


def _completes(command: Command) -> Iterator[str]:
    here = f"-n {_quoted('__devwiz_gw_at ' + _quoted(command.path))}"
    for name, summary in command.commands:
        yield f"{here} -a {_quoted(name)} -d {_quoted(summary)}"
    for option in command.options:
        flags = " ".join(_flag(flag) for flag in option.flags)
        value = "" if option.value is None else " " + _wanted(option.value)
        yield f"{here} {flags}{value} -d {_quoted(option.summary)}"
    for number, place in enumerate(command.places, start=1):
        last = command.repeats and number == len(command.places)
        wanted = {"" if last else str(number): _wanted(place)}
        if place.kind == "command":
            wanted |= {"first": _wanted(place), "rest": "-F"}
        for where, what in wanted.items():
            condition = f"__devwiz_gw_at {_quoted(command.path)} {where}".rstrip()
            yield f"-n {_quoted(condition)} {what}"


def _wanted(value: Value) -> str:
    match value.kind:
        case "words":
            return f"-x -a {_quoted(' '.join(value.words))}"
        case "files":
            return "-r -F"
        case "folders":
            return f"-x -a {_quoted('(__fish_complete_directories)')}"
        case "command":
            return f"-x -a {_quoted('(__fish_complete_command)')}"
        case "":
            return "-x"
        case names:
            return f"-x -a {_quoted(f'(__devwiz_gw_names {names})')}"


def _flag(flag: str) -> str:
    return f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"


def _set(name: str, words: Iterable[str]) -> str:
    return f"set -g {name} {' '.join(map(_quoted, words))}\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
