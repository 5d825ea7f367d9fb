"""Completion for bash and zsh: a table as a shell's `case`, and a walk over the words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.cli.completion_words import Command, Value

#: Walks the words in front of the one that is completed. `verb` becomes the command that they name,
#: `place` which of its arguments comes, `option` the option whose value comes, `config` the file
#: that --config names, and `rest` how many words there are of a command that is to be run.
_WALK: Final = """\
_devwiz_gw_walk() {
  verb= place=1 option= config= rest=
  local word
  for word in "$@"; do
    if [ -n "$rest" ]; then
      rest=$((rest + 1))
    elif [ -n "$option" ]; then
      [ "$option" = --config ] && config=$word
      option=
    elif [ "$word" = -- ]; then
      rest=1
    elif [ "${word#-}" != "$word" ]; then
      [ -n "$(_devwiz_gw_table "$verb" "$word")" ] && option=$word
    elif _devwiz_gw_table "$verb" commands | grep -q -x -F -e "$word"; then
      verb="${verb:+$verb }$word" place=1
    elif [ "$(_devwiz_gw_table "$verb" "$place")" = @command ]; then
      rest=2
    else
      place=$((place + 1))
    fi
  done
  return 0
}
_devwiz_gw_asked() {
  if [ -n "$rest" ]; then
    if [ "$rest" = 1 ]; then echo @command; else echo @files; fi
  elif [ -n "$option" ]; then
    _devwiz_gw_table "$verb" "$option"
  else
    _devwiz_gw_table "$verb" "$place"
  fi
}
_devwiz_gw_names() {
  "$1" ${config:+--config} ${config:+"$config"} completion --names "$2" 2>/dev/null
}
"""

_BASH: Final = """\
_devwiz_gw() {
  local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]}
  local verb place option config rest asked word before= words=
  _devwiz_gw_walk "${COMP_WORDS[@]:1:COMP_CWORD-1}"
  asked=$(_devwiz_gw_asked)
  COMPREPLY=()
  if [ -z "$option$rest" ]; then
    case $current in
      -*) asked= words=$(_devwiz_gw_table "$verb" options) ;;
      *) words=$(_devwiz_gw_table "$verb" commands) ;;
    esac
  fi
  case $asked in
    @any | '') ;;
    @files) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    @folders) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    @command) mapfile -t COMPREPLY < <(compgen -c -- "$current") ;;
    @variables)
      [[ $current == *,* ]] && before=${current%,*},
      while IFS= read -r word; do words+=$'\\n'$before$word; done \\
        < <(_devwiz_gw_names "$program" variables) ;;
    @*) words+=$'\\n'$(_devwiz_gw_names "$program" "${asked#@}") ;;
    *) words+=$'\\n'$asked ;;
  esac
  case $asked in @files | @folders) compopt -o filenames 2>/dev/null ;; esac
  while IFS= read -r word; do
    [[ -n $word && $word == "$current"* ]] && COMPREPLY+=("$word")
  done <<< "$words"
}
complete -F _devwiz_gw devwiz-gw
"""

_ZSH: Final = """\
_devwiz_gw() {
  local verb place option config rest asked
  local -a found
  _devwiz_gw_walk "${(@)words[2,CURRENT-1]}"
  asked=$(_devwiz_gw_asked)
  if [[ -z $option$rest ]]; then
    if [[ $words[CURRENT] == -* ]]; then
      found=("${(@f)$(_devwiz_gw_told "$verb" options)}")
      _describe option found
      return
    fi
    found=("${(@f)$(_devwiz_gw_told "$verb" commands)}")
    [[ -n $found[1] ]] && _describe command found
  fi
  case $asked in
    @any|'') ;;
    @files) _files ;;
    @folders) _files -/ ;;
    @command) _command_names -e ;;
    @variables) compset -P '*,' ;|
    @*) found=("${(@f)$(_devwiz_gw_names "$words[1]" "${asked#@}")}"); compadd -- $found ;;
    *) found=("${(@f)asked}"); compadd -- $found ;;
  esac
}
compdef _devwiz_gw devwiz-gw
"""


def bash(commands: Iterable[Command]) -> str:
    """For `eval` in bash 4 or newer."""
    head = '# Completion of devwiz-gw: eval "$(devwiz-gw completion bash)"\n'
    return head + _function("_devwiz_gw_table", _entries(commands)) + _WALK + _BASH


def zsh(commands: Iterable[Command]) -> str:
    """For `eval` in zsh after `compinit`."""
    commands = list(commands)
    head = '# Completion of devwiz-gw: eval "$(devwiz-gw completion zsh)"\n'
    table = _function("_devwiz_gw_table", _entries(commands))
    return head + table + _function("_devwiz_gw_told", _told(commands)) + _WALK + _ZSH


def _function(name: str, entries: Iterable[tuple[str, list[str]]]) -> str:
    """A function that prints the lines of one entry, none where there is no such entry."""
    cases = [
        f"    {_quoted(key)}) printf '%s\\n' {' '.join(map(_quoted, lines))} ;;\n"
        for key, lines in entries
        if lines
    ]
    return f'{name}() {{\n  case "$1|$2" in\n{"".join(cases)}  esac\n}}\n'


def _entries(commands: Iterable[Command]) -> Iterator[tuple[str, list[str]]]:
    for command in commands:
        path = command.path
        yield f"{path}|commands", [name for name, _ in command.commands]
        yield f"{path}|options", [flag for option in command.options for flag in option.flags]
        for option in command.options:
            if option.value is not None:
                for flag in option.flags:
                    yield f"{path}|{flag}", _lines(option.value)
        for number, place in enumerate(command.places, start=1):
            yield f"{path}|{number}", _lines(place)
        if command.repeats:
            for number in range(len(command.places) + 1, 10):
                yield f"{path}|{number}", _lines(command.places[-1])


def _told(commands: Iterable[Command]) -> Iterator[tuple[str, list[str]]]:
    for command in commands:
        path = command.path
        yield f"{path}|commands", [f"{name}:{summary}" for name, summary in command.commands]
        options = [
            f"{flag}:{option.summary}" for option in command.options for flag in option.flags
        ]
        yield f"{path}|options", options


def _lines(value: Value) -> list[str]:
    return list(value.words) if value.kind == "words" else [f"@{value.kind or 'any'}"]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
