"""What the Python conversations share: a transcript on stdout, values that are new in each run, AWS clients.

A transcript has what the SDK returned, one line a step, and nothing that the run made up itself: it must come out the
same when the answers come from a recording. Where an answer has to carry back a value of this run, the transcript says
whether it did.

With CHANGE=1 and so on in the environment a run asks for something else in one place, next to what is new in each run
anyway.
"""

import base64
import datetime
import hashlib
import json
import os
import secrets
import threading
import uuid

# No settings of whoever runs this.
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
REGION = "us-east-1"


def show(step: str, *values):
    print(step, *(json.dumps(value, sort_keys=True, default=_text) for value in values), flush=True)


_secrets: list[str] = []


def secret(value: str) -> str:
    """Which secret it is, by the order in which they came up: what it is, a recording doesn't tell."""
    if value not in _secrets:
        _secrets.append(value)
    return f"secret {_secrets.index(value) + 1}"


def meant(number: int, value, other):
    """The value; `other` in a run with the change of this number: the request means something else, and must miss."""
    return other if os.environ.get("CHANGE") == str(number) else value


def digest(content: bytes) -> str:
    return f"{len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()[:16]}"


def fresh_id() -> str:
    """A random UUID, as services make them for correlation and idempotency."""
    return str(uuid.uuid4())


def fresh_secret() -> str:
    return secrets.token_hex(20)


def now() -> str:
    """This moment, as RFC 3339 with microseconds."""
    return datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")


def today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def aws(service: str, keys: dict | None = None, **config):
    """A boto3 client for the service's default endpoint, with access keys that are new in each run."""
    import boto3
    from botocore.config import Config

    fresh = {"aws_access_key_id": f"AKIA{secrets.token_hex(8).upper()}", "aws_secret_access_key": fresh_secret()}
    config = Config(region_name=REGION, retries={"mode": "standard", "total_max_attempts": 1}, **config)
    return boto3.client(service, config=config, **(keys or fresh))


def host(service: str) -> str:
    """Where boto3 finds the service by default; S3 in this region has the name of before there were regions."""
    return "s3.amazonaws.com" if service == "s3" else f"{service}.{REGION}.amazonaws.com"


def background_ended():
    """Waits for what an SDK does in threads of its own, so that each run makes the same requests."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()


def grpc_channel(host: str):
    """A gRPC channel to a backend, as its users have it: over TLS, by the proxy and the roots that the environment names."""
    import grpc

    return grpc.secure_channel(f"{host}:443", grpc.ssl_channel_credentials(), options=[("grpc.enable_retries", 0)])


def refused(call, *errors):
    """What the call was refused with, as the SDK's error of one of these classes; it must be refused."""
    try:
        call()
    except errors as error:
        return error
    raise SystemExit("it was not refused")


def code(error) -> str:
    """The code in a botocore ClientError."""
    return error.response["Error"]["Code"]


def _text(value):
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, set):
        return sorted(value)
    return str(value)
