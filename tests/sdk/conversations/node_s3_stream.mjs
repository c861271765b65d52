// S3 through the AWS SDK for JavaScript: streams put with a checksum in the trailer (`aws-chunked`), read, listed, deleted.
//
// New in each run: access keys, dates, signatures, and where a stream is cut into pieces, each of which is sent as a chunk.

import { randomInt } from "node:crypto";
import { Readable } from "node:stream";
import {
  CreateBucketCommand, DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client,
} from "@aws-sdk/client-s3";
import { aws, meant, show } from "./kit.mjs";

const s3 = new S3Client({ ...aws(), forcePathStyle: true });
const Bucket = "streams";

function* pieces(text) {
  for (let at = 0, length; at < text.length; at += length) {
    length = randomInt(1, 20_000);
    yield Buffer.from(text.slice(at, at + length));
  }
}

await s3.send(new CreateBucketCommand({ Bucket }));
for (const [Key, text] of [["small", meant(1, "of a few words", "of a few wards")], ["large", "one of many lines\n".repeat(6000)]]) {
  const put = await s3.send(new PutObjectCommand({ Bucket, Key, Body: Readable.from(pieces(text)), ContentLength: text.length }));
  show("put", Key, put.ETag);
  const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
  show("got", got.ContentLength, (await got.Body.transformToString()) === text, got.LastModified);
}
show("listed", (await s3.send(new ListObjectsV2Command({ Bucket }))).Contents.map((one) => [one.Key, one.Size]));
await s3.send(new DeleteObjectCommand({ Bucket, Key: "small" }));
try {
  await s3.send(new GetObjectCommand({ Bucket, Key: "small" }));
} catch (error) {
  show("gone", error.name);
}
s3.destroy();
