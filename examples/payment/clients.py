"""The five backends' official SDKs, set up from the environment as a real service would.

The one place that knows host names, the scheme and the proxy. It makes no call by itself.
"""

import os
import sys
import urllib.request

try:
    import boto3
    import hubspot
    import plaid
    import requests
    import stripe
    from botocore.config import Config
    from googleapiclient import discovery
    from httplib2 import Response
    from plaid.api.plaid_api import PlaidApi
except ImportError as error:
    sys.exit(f"payment: the SDK '{error.name}' is not installed; run `make setup` and use .venv/bin/python")

AWS, STRIPE, HUBSPOT, PLAID, GOOGLE = (
    "dynamodb.us-east-1.amazonaws.com",
    "api.stripe.com",
    "api.hubapi.com",
    "sandbox.plaid.com",
    "discovery.googleapis.com",
)


def scheme() -> str:
    value = os.environ.get("PAYMENT_SCHEME", "http")
    if value not in ("http", "https"):
        sys.exit(f"payment: PAYMENT_SCHEME must be http or https, not {value!r}")
    return value


def url(host: str) -> str:
    return f"{scheme()}://{host}"


def proxy() -> str | None:
    """The proxy that the environment names for our scheme (HTTP_PROXY or HTTPS_PROXY, in either case)."""
    return urllib.request.getproxies().get(scheme())


def dynamodb():
    """boto3 reads the proxy and the credentials from the environment by itself."""
    config = Config(region_name="us-east-1", retries={"mode": "standard", "max_attempts": 2})
    return boto3.client("dynamodb", endpoint_url=url(AWS), config=config)


def stripe_client() -> stripe.StripeClient:
    """Stripe's client sends through `requests`, which reads the proxy from the environment by itself.

    Its telemetry is off: it would write an identifier into the home directory, and send that and the platform along.
    """
    stripe.enable_telemetry = False
    return stripe.StripeClient(_need("STRIPE_API_KEY"), base_addresses={"api": url(STRIPE)})


def hubspot_client() -> hubspot.HubSpot:
    """HubSpot's client is urllib3, which knows no environment: it gets the proxy as configuration."""
    return hubspot.HubSpot(access_token=_need("HUBSPOT_ACCESS_TOKEN"), host=url(HUBSPOT), proxy=proxy())


def plaid_client() -> PlaidApi:
    """Plaid's client is urllib3 too."""
    keys = {"clientId": _need("PLAID_CLIENT_ID"), "secret": _need("PLAID_SECRET"), "plaidVersion": "2020-09-14"}
    configuration = plaid.Configuration(host=url(PLAID), api_key=keys)
    configuration.proxy = proxy()
    return PlaidApi(plaid.ApiClient(configuration))


def google_client():
    """Google's client for its Discovery API: fetches the API's description, and builds the methods from it.

    The description names https://www.googleapis.com/ as its root; `api_endpoint` keeps the calls on our host.
    """
    return discovery.build(
        "discovery",
        "v1",
        discoveryServiceUrl=url(GOOGLE) + "/discovery/v1/apis/{api}/{apiVersion}/rest",
        client_options={"api_endpoint": url(GOOGLE) + "/discovery/v1/"},
        http=ForwardedHttp() if scheme() == "http" else None,
        cache_discovery=False,
    )


class ForwardedHttp:
    """What googleapiclient needs of an httplib2.Http, on top of `requests`.

    httplib2 opens a CONNECT tunnel even for http:// (and needs PySocks for it); a proxy that forwards plain http sees
    only the tunnel. `requests` asks such a proxy in the usual way.
    """

    def __init__(self):
        self._session = requests.Session()

    def request(self, uri, method="GET", body=None, headers=None, **_):
        answer = self._session.request(method, uri, data=body, headers=headers, timeout=30, allow_redirects=False)
        return Response({**answer.headers, "status": str(answer.status_code)}), answer.content

    def close(self):
        self._session.close()


def _need(name: str) -> str:
    return os.environ.get(name) or sys.exit(f"payment: the environment variable {name} is not set")
