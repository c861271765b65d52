"""An upload to S3 whose body is sent in signed chunks (`Content-Encoding: aws-chunked`,
STREAMING-AWS4-HMAC-SHA256-PAYLOAD).

Some SDKs do it for streams. Signed here, with botocore's help, and sent by `requests`.
New in each run: access keys and the date, and with them the signature of each chunk, which stands inside the body.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
"""

import hashlib

import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from kit import REGION, aws, digest, fresh_secret, host, meant, show

KIND = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
CHUNK = 64 * 1024


class ChunkAuth(S3SigV4Auth):
    """Signs the head for a body in signed chunks, and then the chunks, each with the signature before it."""

    def payload(self, request):
        return KIND

    def send(self, url: str, content: bytes) -> requests.Response:
        pieces = [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)] + [b""]
        length = sum(len(f"{len(piece):x}") + len(";chunk-signature=") + 64 + len(piece) + 4 for piece in pieces)
        request = AWSRequest("PUT", url)
        request.headers["Content-Encoding"] = "aws-chunked"
        request.headers["X-Amz-Decoded-Content-Length"] = str(len(content))
        request.headers["Content-Length"] = str(length)
        self.add_auth(request)
        self.last = request.headers["Authorization"].rpartition("Signature=")[2]
        body = b"".join(self._chunk(request, piece) for piece in pieces)
        assert len(body) == length
        return requests.put(url, data=body, headers=dict(request.headers), timeout=30)

    def _modify_request_before_signing(self, request):
        super()._modify_request_before_signing(request)
        request.headers["X-Amz-Content-SHA256"] = KIND

    def _chunk(self, request, piece: bytes) -> bytes:
        empty, here = hashlib.sha256(b"").hexdigest(), hashlib.sha256(piece).hexdigest()
        scope = self.credential_scope(request)
        text = "\n".join(("AWS4-HMAC-SHA256-PAYLOAD", request.context["timestamp"], scope, self.last, empty, here))
        self.last = self.signature(text, request)
        return f"{len(piece):x};chunk-signature={self.last}\r\n".encode() + piece + b"\r\n"


s3 = aws("s3", s3={"addressing_style": "path"})
s3.create_bucket(Bucket="streams")
auth = ChunkAuth(Credentials(f"AKIA{fresh_secret()[:16].upper()}", fresh_secret()), "s3", REGION)
for name, content in (("small", meant(1, b"one chunk", b"one chink")), ("large", bytes(range(256)) * 1000)):
    answer = auth.send(f"https://{host('s3')}/streams/{name}", content)
    show("put", name, answer.status_code, answer.headers.get("ETag"))
    got = s3.get_object(Bucket="streams", Key=name)["Body"].read()
    show("got", digest(got), got == content)
