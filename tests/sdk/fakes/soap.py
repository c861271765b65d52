"""A small SOAP 1.1 backend with its WSDL: rates and bookings. Asks for a WS-Security user name with a digest, good for
one use.

https://docs.oasis-open.org/wss-m/wss/v1.1.1/os/wss-UsernameTokenProfile-v1.1.1-os.html
"""

import itertools
from pathlib import Path
from xml.sax.saxutils import escape

from lxml import etree
from web import Problem, Reply, Request, Routes

HOST = "soap.example"
NAMESPACE = "http://soap.example/rates"
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
RATES = {"eur": "0.92", "chf": "0.88"}
WSDL = Path(__file__).with_name("soap.wsdl").read_bytes()
used, _bookings = set(), itertools.count(7001)


def xml_reply(status: int, inner: str) -> Reply:
    text = f'<?xml version="1.0"?><s:Envelope xmlns:s="{ENVELOPE}"><s:Body>{inner}</s:Body></s:Envelope>'
    return Reply(status, text.encode(), {"Content-Type": "text/xml; charset=utf-8"})


def failure(status: int, message: str) -> Reply:
    return xml_reply(
        500, f"<s:Fault><faultcode>s:Client</faultcode><faultstring>{escape(message)}</faultstring></s:Fault>"
    )


routes = Routes(failure)
answer = routes.answer


@routes.on("GET", "/rates")
def describe(request: Request) -> Reply:
    return Reply(200, WSDL, {"Content-Type": "text/xml; charset=utf-8"})


@routes.on("POST", "/rates")
def call(request: Request) -> Reply:
    root = etree.fromstring(request.body)
    nonce = root.findtext(f".//{{{WSSE}}}Nonce")
    if not nonce or nonce in used or root.find(f".//{{{WSSE}}}UsernameToken/{{{WSU}}}Created") is None:
        raise Problem(failure(500, "no security token, or one that was used before"))
    used.add(nonce)
    asked = root.find(f"{{{ENVELOPE}}}Body")[0]
    return {"GetRate": _rate, "Book": _book}[etree.QName(asked).localname](
        lambda name: asked.findtext(f"{{{NAMESPACE}}}{name}")
    )


def _rate(field) -> Reply:
    rate = RATES.get(field("currency"))
    if rate is None:
        raise Problem(failure(500, f"no rate for {field('currency')}"))
    return xml_reply(200, f'<GetRateResponse xmlns="{NAMESPACE}"><rate>{rate}</rate></GetRateResponse>')


def _book(field) -> Reply:
    booking = f"<booking>{next(_bookings)}</booking><reference>{escape(field('reference'))}</reference>"
    return xml_reply(200, f'<BookResponse xmlns="{NAMESPACE}">{booking}</BookResponse>')
