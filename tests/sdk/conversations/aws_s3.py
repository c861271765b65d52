"""S3 through boto3: objects put, read whole, in part and on condition, listed in pages, uploaded in parts, copied,
deleted; and links signed in advance, of both kinds, opened with `requests`.

New in each run: access keys, dates, signatures, a link's end.
"""

import requests
from botocore.exceptions import ClientError
from kit import aws, code, digest, meant, refused, show

BUCKET = "ledger-files"
s3 = aws("s3", s3={"addressing_style": "path"}, signature_version="s3v4")
s3.create_bucket(Bucket=BUCKET)

for number in range(5):
    put = s3.put_object(
        Bucket=BUCKET,
        Key=f"2026/report {number}.txt",
        Body=f"report {number}\n".encode() * 100,
        ContentType="text/plain",
        Metadata={"number": str(number)},
    )
    show("put", put["ETag"])
head = s3.head_object(Bucket=BUCKET, Key="2026/report 1.txt")
show("head", head["ContentLength"], head["Metadata"], head["LastModified"])
got = s3.get_object(Bucket=BUCKET, Key="2026/report 1.txt")
show("got", digest(got["Body"].read()), got["ETag"], got["LastModified"])
for part in ("bytes=0-8", meant(2, "bytes=9-17", "bytes=9-16")):
    got = s3.get_object(Bucket=BUCKET, Key="2026/report 2.txt", Range=part)
    show("part", got["ContentRange"], got["Body"].read().decode())
error = refused(lambda: s3.get_object(Bucket=BUCKET, Key="2026/report 1.txt", IfNoneMatch=head["ETag"]), ClientError)
show("not changed", code(error))
error = refused(lambda: s3.get_object(Bucket=BUCKET, Key="none"), s3.exceptions.NoSuchKey)
show("missing", code(error))

for page in s3.get_paginator("list_objects_v2").paginate(
    Bucket=BUCKET, Prefix="2026/", PaginationConfig={"PageSize": 2}
):
    show("page", [one["Key"] for one in page["Contents"]], page["IsTruncated"], "NextContinuationToken" in page)

# Written twice to one key: what is read in between is not what is read after.
for text in (b"draft", b"final"):
    s3.put_object(Bucket=BUCKET, Key="state", Body=text)
    show("state", s3.get_object(Bucket=BUCKET, Key="state")["Body"].read().decode())

upload = s3.create_multipart_upload(Bucket=BUCKET, Key="big.txt", ContentType="text/plain")
parts = []
for number in (1, 2):
    body = f"line {number}\n".encode() * (5 * 1024 * 1024 // 7 + 1 if number == 1 else 100)
    done = s3.upload_part(Bucket=BUCKET, Key="big.txt", UploadId=upload["UploadId"], PartNumber=number, Body=body)
    parts.append({"ETag": done["ETag"], "PartNumber": number})
listed = s3.list_parts(Bucket=BUCKET, Key="big.txt", UploadId=upload["UploadId"])
show("parts", [(part["PartNumber"], part["Size"]) for part in listed["Parts"]])
done = s3.complete_multipart_upload(
    Bucket=BUCKET, Key="big.txt", UploadId=upload["UploadId"], MultipartUpload={"Parts": parts}
)
show("uploaded", done["ETag"], s3.head_object(Bucket=BUCKET, Key="big.txt")["ContentLength"])

# The same target twice: only a header says from where.
for source in ("2026/report 3.txt", meant(1, "2026/report 4.txt", "2026/report 1.txt")):
    copied = s3.copy_object(Bucket=BUCKET, Key="copy.txt", CopySource={"Bucket": BUCKET, "Key": source})
    show("copied", copied["CopyObjectResult"]["ETag"])

for signing, expected in (("s3v4", "X-Amz-Signature"), ("s3", "Signature")):
    signer = aws("s3", s3={"addressing_style": "path"}, signature_version=signing)
    params = {"Bucket": BUCKET, "Key": "2026/report 0.txt", "ResponseContentType": meant(3, "text/csv", "text/html")}
    link = signer.generate_presigned_url("get_object", Params=params, ExpiresIn=600)
    answer = requests.get(link, timeout=30)
    show("link", signing, f"{expected}=" in link, answer.status_code, digest(answer.content))
    link = signer.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": f"by {signing}"}, ExpiresIn=600)
    show("put by link", signing, requests.put(link, data=b"by link", timeout=30).status_code)
form = s3.generate_presigned_post(BUCKET, "posted.txt", ExpiresIn=600)
answer = requests.post(form["url"], data=form["fields"], files={"file": ("posted.txt", b"posted")}, timeout=30)
show("posted", answer.status_code)

# The bucket as part of the host name.
other = aws("s3", s3={"addressing_style": "virtual"}, signature_version="s3v4")
show("virtual host", other.get_object(Bucket=BUCKET, Key="state")["Body"].read().decode())

doomed = [{"Key": f"2026/report {number}.txt"} for number in range(5)]
gone = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": doomed})
show("deleted", sorted(one["Key"] for one in gone["Deleted"]))
s3.delete_object(Bucket=BUCKET, Key="state")
show("left", [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]])
