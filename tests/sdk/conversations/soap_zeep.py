"""SOAP through zeep: the description fetched, rates asked, bookings made, a fault.

New in each run: the password, and in each envelope's WS-Security header the nonce, the digest and the times; in a
booking its reference, which the answer carries back, and its time.
"""

import datetime

from kit import fresh_id, fresh_secret, meant, refused, show
from zeep import Client, Settings
from zeep.exceptions import Fault
from zeep.wsse import utils
from zeep.wsse.username import UsernameToken


def moment() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def security() -> UsernameToken:
    """With a time stamp element of its own, as many services ask for."""
    made = moment()
    stamp = utils.WSU.Timestamp(
        utils.WSU.Created(made.isoformat()), utils.WSU.Expires((made + datetime.timedelta(minutes=5)).isoformat())
    )
    return UsernameToken("shop", fresh_secret(), use_digest=True, timestamp_token=stamp)


client = Client("https://soap.example/rates?wsdl", settings=Settings(strict=True))


def call(operation: str, **fields):
    client.wsse = security()
    return client.service[operation](**fields)


for currency in ("eur", "chf", "eur"):
    show("rate", currency, call("GetRate", currency=currency))
show("fault", refused(lambda: call("GetRate", currency="xyz"), Fault).message)
for amount in ("100.00", meant(1, "250.00", "250.01")):
    own = fresh_id()
    booked = call("Book", currency="eur", amount=amount, at=moment(), reference=own)
    show("booked", amount, booked.booking, booked.reference == own)
