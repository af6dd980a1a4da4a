"""Options of curl, and how its command lines are read (https://curl.se/docs/manpage.html)."""

import re
from collections.abc import Iterator
from typing import Final

from straingauge.errors import UsageError

_SHORT: Final = """
    -X=request -H=header -d=data -u=user -b=cookie -A=user-agent -e=referer -F=form
    -T=upload-file -I=head -G=get -L=location -k=insecure -s=silent -S=show-error
    -v=verbose -i=include -f=fail -g=globoff -o=output -m=max-time -x=proxy -r=range
    -c=cookie-jar -w=write-out -E=cert -4=ipv4 -6=ipv6 -N=no-buffer -#=progress-bar
    -O=remote-name -J=remote-header-name -R=remote-time -D=dump-header -q=disable -0=http1.0
    -j=junk-session-cookies -n=netrc -U=proxy-user -p=proxytunnel -z=time-cond -1=tlsv1
    -a=append -B=use-ascii -y=speed-time -Y=speed-limit -Z=parallel -:=next -K=config
"""
_LONG: Final = dict(pair.split("=") for pair in _SHORT.split())
_FLAG_NAMES: Final = """
    head get location insecure silent show-error verbose include fail globoff compressed ipv4
    ipv6 buffer http0.9 http1.0 http1.1 http2 http2-prior-knowledge http3 http3-only path-as-is
    progress-meter progress-bar fail-with-body fail-early location-trusted remote-name
    remote-time remote-header-name remote-name-all create-dirs clobber disable
    junk-session-cookies netrc netrc-optional proxytunnel append use-ascii parallel
    parallel-immediate next basic digest ntlm negotiate anyauth proxy-basic proxy-digest
    proxy-ntlm proxy-anyauth proxy-insecure alpn npn keepalive sessionid raw tr-encoding
    tcp-fastopen tcp-nodelay tlsv1 tlsv1.0 tlsv1.1 tlsv1.2 tlsv1.3 ssl ssl-reqd ssl-no-revoke
    ssl-revoke-best-effort cert-status form-escape ignore-content-length post301 post302 post303
    retry-all-errors retry-connrefused styled-output trace-time trace-ids remove-on-error
    disallow-username-in-url xattr compressed-ssh false-start suppress-connect-headers
    haproxy-protocol
"""
_FLAGS: Final = frozenset(_FLAG_NAMES.split())
_SENT_NAMES: Final = """
    request header user cookie user-agent referer url url-query range oauth2-bearer json data
    data-raw data-binary data-ascii data-urlencode form form-string upload-file
"""
_SENT: Final = frozenset(_SENT_NAMES.split())
_IGNORED_NAMES: Final = """
    output write-out cookie-jar dump-header connect-timeout retry retry-delay retry-max-time
    max-time proxy preproxy proxy-user proxy-header socks5 socks5-hostname socks4 socks4a
    noproxy cert cert-type key key-type pass cacert capath crlfile resolve connect-to max-redirs
    interface unix-socket abstract-unix-socket local-port limit-rate rate max-filesize
    speed-time speed-limit keepalive-time happy-eyeballs-timeout-ms expect100-timeout
    dns-servers doh-url proto proto-default proto-redir ciphers tls13-ciphers curves tls-max
    pinnedpubkey alt-svc hsts etag-compare etag-save stderr trace trace-ascii libcurl netrc-file
    output-dir time-cond parallel-max aws-sigv4 create-file-mode
"""
_IGNORED: Final = frozenset(_IGNORED_NAMES.split())
_WITH_A_VALUE: Final = _SENT | _IGNORED
_REDIRECTION: Final = re.compile(r"(?:\d|&)?(?:>>?|<)(&\d|&-|.*)", re.DOTALL)
_ENDS: Final = frozenset({"|", "||", "&&", ";", "&", "|&"})


def options_of(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each option by its long name with its value, and each URL as the option url.

    What follows in another command of the same line, and where output goes, is skipped.

    Raises:
        UsageError: An option is not understood, or has no value.
    """
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if word in _ENDS or word.startswith("#"):
            return
        if found := _REDIRECTION.fullmatch(word):
            del rest[len(rest) - (not found[1]) :]
        elif not word.startswith("-") or word == "-":
            yield "url", word
        elif word.startswith("--"):
            yield _long_option(word, rest)
        else:
            yield from _short_options(word, rest)


def _long_option(word: str, rest: list[str]) -> tuple[str, str]:
    name, equals, value = word[2:].partition("=")
    if name in _WITH_A_VALUE:
        return name, value if equals else _value(word, rest)
    if name.removeprefix("no-") in _FLAGS and not equals:
        return name, ""
    raise _not_understood(word)


def _short_options(word: str, rest: list[str]) -> Iterator[tuple[str, str]]:
    for place, letter in enumerate(word[1:], start=2):
        name = _LONG.get(f"-{letter}", "")
        if name in _WITH_A_VALUE:
            yield name, word[place:] or _value(word, rest)
            return
        if name.removeprefix("no-") not in _FLAGS:
            raise _not_understood(word)
        yield name, ""


def _value(word: str, rest: list[str]) -> str:
    if not rest:
        raise UsageError(f"curl: {word[:40]} has no value: the command is cut off")
    return rest.pop()


def _not_understood(word: str) -> UsageError:
    return UsageError(f"curl: the option {word[:40]!r} is not understood", hint="remove it")
