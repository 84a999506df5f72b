"""curl lines as people paste them."""

import shlex

import pytest

from swarmsweep.errors import InputError
from swarmsweep.starter.curl import api_of
from swarmsweep.starter.request import FORM, JSON, NONE, TEXT, Upload

URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
CSV = {"Content-Type": "text/csv"}
LOGIN, KEY = {"Authorization": "API_AUTHORIZATION"}, {"X-API-Key": "API_X_API_KEY"}
# Line, then method, path, kind, body, headers, variables of secret headers.
LINES = [
    ("http://localhost:8000/health", "GET", "/health", NONE, None, {}, {}),
    ("localhost:8000", "GET", "/", NONE, None, {}, {}),
    ("-X POST http://a/p?x=1#f -d '{\"a\": [1]}'", "POST", "/p?x=1", JSON, {"a": [1]}, {}, {}),
    ("-XPUT http://a/p -sSLk --data='{}' -o /dev/null", "PUT", "/p", JSON, {}, {}, {}),
    ("http://a/p --json '[1]' --compressed", "POST", "/p", JSON, [1], {}, {}),
    ("http://a/p -d a=1 -d b=2", "POST", "/p", TEXT, "a=1&b=2", URLENCODED, {}),
    ("-G http://a/p -d a=1 --data-urlencode 'q=x y&z'", "GET", "/p?a=1&q=x%20y%26z", NONE, None, {}, {}),
    ("http://a/p -H 'Content-Type: text/csv' --data-raw @a,b", "POST", "/p", TEXT, "@a,b", CSV, {}),
    ("http://a/p -H 'content-type: application/json; charset=utf-8' -d '1'", "POST", "/p", JSON, 1, {}, {}),
    ("http://a/p -H 'Accept: x' -H 'Host: b' -A me", "GET", "/p", NONE, None, {"Accept": "x", "User-Agent": "me"}, {}),
    ("-H 'Authorization: Bearer s3cret' http://a/p", "GET", "/p", NONE, None, {}, LOGIN),
    ("-H 'X-API-Key: s3cret' http://a/p", "GET", "/p", NONE, None, {}, KEY),
    ("-u me:s3cret http://a/p", "GET", "/p", NONE, None, {}, LOGIN),
    ("http://me:s3cret@a/p", "GET", "/p", NONE, None, {}, LOGIN),
    ("-b id=s3cret http://a/p", "GET", "/p", NONE, None, {}, {"Cookie": "API_COOKIE"}),
    ("-I http://a/p", "HEAD", "/p", NONE, None, {}, {}),
    ("http://[::1]:8000/p", "GET", "/p", NONE, None, {}, {}),
    (
        "-F image=@/home/me/dog.jpg;type=image/jpeg -F top=3 http://a/p", "POST", "/p", FORM,
        {"image": Upload("dog.jpg", "image/jpeg", b""), "top": "3"}, {}, {},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "method", "path", "kind", "body", "headers", "secrets"), LINES)
def test_lines(line, method, path, kind, body, headers, secrets):
    api = api_of(shlex.split(line))
    (request,) = api.requests
    assert (request.method, request.path, request.kind, request.body) == (method, path, kind, body)
    assert (request.headers, request.secret_headers) == (headers, secrets)
    assert "s3cret" not in repr(api)


@pytest.mark.parametrize(("line", "port"), [("http://a:5001/p", 5001), ("http://a/p", None), ("http://[::1]:80/", 80)])
def test_the_port(line, port):
    assert api_of([line]).port == port


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-X POST", "the URL is missing; allowed: the words of a curl command with an address"),
        ("http://a/p -d", "the option -d has no value"),
        ("http://a/p -d @rows.json", r"-d names the file rows.json; allowed: the body itself. Write it: -d"),
        ("'two words'", "'two words' is not a URL of an API"),
        ("ftp://a/p", "'ftp://a/p' is not a URL of an API"),
        ("http://a:99999/p", "'http://a:99999/p' is not a URL"),
        ("-X 1 http://a/1", "the method is '1'; allowed: letters, for example -X POST"),
        ("--aws-sigv4 x http://a", "the option --aws-sigv4 is not known here"),
    ],
)
def test_refused(line, message):
    with pytest.raises(InputError) as refused:
        api_of(shlex.split(line))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["-d", '{"user": "a", "logins": [{"password": "s3cret"}]}'], "password"),
        (["-d", "user=a&api_key=s3cret"], "api_key"),
        (["-F", "user=a", "-F", "token=s3cret"], "token"),
    ],
)
def test_a_body_that_may_have_a_secret_is_named(words, names):
    (request,) = api_of(["http://a/login", *words]).requests
    assert request.notes == (f"The body has {names}, which may be secret. Read it from os.environ instead.",)


@pytest.mark.parametrize("body", ['{"a": NaN}', '{"a": 1e999}', "[" * 150 + "]" * 150])
def test_a_body_that_cannot_become_python_is_refused(body):
    with pytest.raises(InputError, match="curl: the body: "):
        api_of(["http://a/p", "-d", body])
