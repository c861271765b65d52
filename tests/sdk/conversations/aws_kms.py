"""KMS through boto3: a key made, data encrypted and decrypted, a data key, a signature.

New in each run: access keys. Ciphertexts are KMS's own, and come back to it in later requests.
"""

from botocore.exceptions import ClientError
from kit import aws, code, digest, fresh_id, meant, refused, show

kms = aws("kms")
key = kms.create_key(
    Description=meant(1, "for orders", "for others"), Tags=[{"TagKey": "run", "TagValue": fresh_id()}]
)["KeyMetadata"]["KeyId"]
show("key", key)
kms.create_alias(AliasName="alias/orders", TargetKeyId=key)
context = {"purpose": "card"}
sealed = []
for text in (b"4242 4242 4242 4242", b"5555 5555 5555 4444"):
    blob = kms.encrypt(KeyId=key, Plaintext=text, EncryptionContext=context)["CiphertextBlob"]
    sealed.append(blob)
    show("sealed", digest(blob))
for blob in reversed(sealed):
    show("opened", kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"].decode())
error = refused(lambda: kms.decrypt(CiphertextBlob=sealed[0], EncryptionContext={"purpose": "other"}), ClientError)
show("refused", code(error))
for _ in range(2):
    data = kms.generate_data_key(KeyId="alias/orders", KeySpec="AES_256")
    back = kms.decrypt(CiphertextBlob=data["CiphertextBlob"])["Plaintext"]
    show("data key", digest(data["Plaintext"]), back == data["Plaintext"])
show("described", kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"])
kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
show("described", kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"])
