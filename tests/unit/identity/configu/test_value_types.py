from __future__ import annotations

import pytest

from identity.configu.value_types import CHECKS

GOOD_AND_BAD = {
    "Boolean": (["true", "FALSE", "1", "yes"], ["", "on", "true\n"]),
    "Number": (["1", "-1.5", "+.5"], ["1.", "1e5", "x", "1,5"]),
    "String": (["", "any\n"], []),
    "RegEx": (["any"], []),
    "JSONSchema": (["any"], []),
    "UUID": (["b9a1b1f0-1c1d-4e2f-8a3b-0123456789AB"], ["b9a1b1f0", "{b9a1b1f0}"]),
    "SemVer": (["1.2.3", "1.0.0-alpha.1+build.5", "1.0.0--"], ["1.2", "01.2.3", "1.0.0-01"]),
    "Email": (["a.b+c@example.com"], ["a@b", "a b@example.com", "@example.com"]),
    "MobilePhone": (["+49 170 1234567"], ["12", "phone"]),
    "Locale": (["en", "en_US", "zh-Hans-CN"], ["english", "e"]),
    "LatLong": (["52.5,13.4", "(-90, 180)"], ["91,0", "0,181", "5"]),
    "Color": (["#fff", "a1b2c3", "rgb(0,0,0)", "hsl(1,2%,3%)"], ["#ff", "red"]),
    "IPv4": (["127.0.0.1"], ["::1", "1.2.3", "01.2.3.4"]),
    "IPv6": (["::1", "fe80::1%eth0"], ["127.0.0.1", ":::"]),
    "Domain": (["example.com"], ["localhost", "-a.com", "a..com"]),
    "URL": (
        ["https://example.com/a?b#c", "example.com", "ftp://u:p@1.2.3.4:21/"],
        ["localhost", "javascript:alert(1)", "https://a b.com", "https://"],
    ),
    "ConnectionString": (["postgres://u:p@h:5432/db?x=1"], ["a b"]),
    "Hex": (["0xFF", "aa"], ["0xg", ""]),
    "Base64": (["", "aGk=", "aGlp"], ["aGk", "a-_="]),
    "MD5": (["d41d8cd98f00b204e9800998ecf8427e"], ["d41d"]),
    "SHA": (["a" * 40, "A" * 64, "0" * 96, "0" * 128], ["a" * 41]),
    "Country": (["DE", "DEU"], ["D", "Germany"]),
    "Currency": (["EUR"], ["EU", "€"]),
    "Language": (["de"], ["deu"]),
    "DockerImage": (["nginx:1.2", "reg.example.com:5000/a/b:latest"], ["Nginx", "a b"]),
    "ARN": (["arn:aws:s3:::bucket", "arn:aws:iam::1:user/a"], ["arn:aws", "aws:s3"]),
    "MACAddress": (["01:02:03:04:ab:cd", "01-02-03-04-ab-cd", "0102.0304.abcd"], ["01:02"]),
    "MIMEType": (["text/html; charset=utf-8", "application/json"], ["text", "x/y"]),
    "MongoId": (["507f1f77bcf86cd799439011"], ["507f"]),
    "DateTime": (["2026-01-02", "2026-01-02T03:04:05Z", "2026/01/02", "23:59"], ["25:00", "soon"]),
    "boolean": (["true"], ["1", "TRUE"]),
    "number": (["1", "1.5e3"], ["true", "'1'", "NaN"]),
    "string": (["", "1"], []),
    "object": (["{}"], ["[]", "x", '{"a":1,"a":2}']),
    "array": (["[1]"], ["{}", "x"]),
} | dict.fromkeys(
    [name for name in CHECKS if name.endswith("Region")], (["eu-central-1", "eastus"], ["", "EU 1"])
)


def test_each_type_is_tried() -> None:
    assert set(GOOD_AND_BAD) == set(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
def test_what_a_type_takes(name: str) -> None:
    good, bad = GOOD_AND_BAD[name]
    assert [value for value in good if not CHECKS[name](value)] == []
    assert [value for value in bad if CHECKS[name](value)] == []


@pytest.mark.parametrize("name", CHECKS)
def test_long_values_take_no_time(name: str) -> None:
    """64 KiB of what the expressions repeat: one that goes back and forth would run for hours."""
    for text in ("a", "1", "a.", "0a:", "-", "%41", "a/", "::"):
        CHECKS[name]((text * 65_536)[:65_536] + "\n")
