"""STS through boto3, which speaks a query protocol: who am I, a role taken on, and clients with its temporary
credentials.

New in each run: access keys, the sessions' names. The temporary credentials are those that STS issued.
"""

import time

from kit import aws, fresh_id, meant, secret, show

sts = aws("sts")
me = sts.get_caller_identity()
show("me", me["Account"], me["Arn"])
for role in ("reader", meant(1, "writer", "owner")):
    session = f"batch-{int(time.time())}"
    taken = sts.assume_role(
        RoleArn=f"arn:aws:iam::123456789012:role/{role}",
        RoleSessionName=session,
        DurationSeconds=900,
        Tags=[{"Key": "run", "Value": fresh_id()}],
    )
    given = taken["Credentials"]
    id, _, named = taken["AssumedRoleUser"]["AssumedRoleId"].partition(":")
    show("role", role, secret(given["AccessKeyId"]), id, given["Expiration"], named == session)
    keys = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }
    # The same request as above; only the credentials say who asks.
    show("now", aws("sts", keys).get_caller_identity()["UserId"].partition(":")[0])
    queues = aws("sqs", keys)
    queues.create_queue(QueueName=f"for-{role}")
    show("queues", queues.list_queues()["QueueUrls"])
token = sts.get_session_token(DurationSeconds=900)["Credentials"]
show("session", secret(token["AccessKeyId"]))
