//! Services that are known by their hosts, or by a header that is theirs alone. Data, and the look-up.
//!
//! A pattern `*.example.com` is each host below `example.com`. A header may stand in a request or in an answer. Each row names the page
//! where its owner says so.

use super::host;
use super::tag::{Kind, Tag};
use super::technologies::Technologies;
use understudy_core::exchange::Exchange;

/// A service, and how it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its tag.
    pub tag: Tag,
    /// Its hosts, in lower case.
    pub hosts: &'static [&'static str],
    /// Headers that are its alone, in lower case.
    pub headers: &'static [&'static str],
    /// Where its owner says so.
    pub source: &'static str,
}

type Names = &'static [&'static str];

const fn row(name: &'static str, hosts: Names, headers: Names, source: &'static str) -> Service {
    Service { tag: Tag::service(name), hosts, headers, source }
}

const fn telemetry(name: &'static str, hosts: Names, headers: Names, source: &'static str) -> Service {
    Service { tag: Tag { name, kind: Kind::Telemetry }, hosts, headers, source }
}

const fn cloud(name: &'static str, hosts: Names, headers: Names, source: &'static str) -> Service {
    Service { tag: Tag { name, kind: Kind::Cloud }, hosts, headers, source }
}

/// The services, by name. A host may be that of several: all count.
#[rustfmt::skip]
pub const SERVICES: &[Service] = &[
    row("Adyen", &["*.adyen.com", "*.adyenpayments.com"], &[],
        "https://docs.adyen.com/development-resources/live-endpoints/"),
    row("Airtable", &["api.airtable.com"], &[], "https://airtable.com/developers/web/api/introduction"),
    row("Algolia", &["*.algolia.net", "*.algolianet.com"], &["x-algolia-application-id"],
        "https://www.algolia.com/doc/rest-api/search/"),
    row("Anthropic", &["api.anthropic.com"], &["anthropic-version"], "https://docs.anthropic.com/en/api/overview"),
    row("Asana", &["app.asana.com"], &[], "https://developers.asana.com/docs/overview"),
    row("Atlassian", &["*.atlassian.net", "api.atlassian.com"], &[],
        "https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/"),
    row("Auth0", &["*.auth0.com"], &["auth0-client"], "https://auth0.com/docs/api/management/v2/introduction"),
    cloud("Azure", &["*.azure.com", "*.azure.net", "*.windows.net", "*.azurewebsites.net"],
        &["x-ms-version", "x-ms-correlation-request-id"],
        "https://learn.microsoft.com/en-us/rest/api/azure/"),
    row("Azure Blob Storage", &["*.blob.core.windows.net"], &["x-ms-blob-type"],
        "https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-rest-api"),
    row("Azure Key Vault", &["*.vault.azure.net"], &[],
        "https://learn.microsoft.com/en-us/azure/key-vault/general/about-keys-secrets-certificates"),
    row("Azure OpenAI", &["*.openai.azure.com"], &[],
        "https://learn.microsoft.com/en-us/azure/ai-services/openai/reference"),
    row("Azure Service Bus", &["*.servicebus.windows.net"], &[],
        "https://learn.microsoft.com/en-us/rest/api/servicebus/"),
    row("Bitbucket", &["api.bitbucket.org"], &[], "https://developer.atlassian.com/cloud/bitbucket/rest/intro/"),
    row("Box", &["api.box.com", "upload.box.com"], &[], "https://developer.box.com/reference/"),
    row("Braintree", &["*.braintree-api.com", "api.braintreegateway.com", "api.sandbox.braintreegateway.com"], &[],
        "https://developer.paypal.com/braintree/graphql/guides/making_api_calls/"),
    telemetry("Bugsnag", &["notify.bugsnag.com", "sessions.bugsnag.com"], &["bugsnag-payload-version"],
        "https://bugsnagerrorreportingapi.docs.apiary.io/"),
    row("CircleCI", &["circleci.com"], &[], "https://circleci.com/docs/api/v2/"),
    row("ClickHouse", &["*.clickhouse.cloud"],
        &["x-clickhouse-database", "x-clickhouse-format", "x-clickhouse-query-id", "x-clickhouse-summary",
          "x-clickhouse-user"],
        "https://clickhouse.com/docs/interfaces/http"),
    row("Cloudflare", &["api.cloudflare.com"], &[], "https://developers.cloudflare.com/api/"),
    row("Cohere", &["api.cohere.com", "api.cohere.ai"], &[], "https://docs.cohere.com/reference/about"),
    row("Coinbase", &["*.coinbase.com"], &[], "https://docs.cdp.coinbase.com/"),
    row("Consul", &[], &["x-consul-index", "x-consul-token"], "https://developer.hashicorp.com/consul/api-docs"),
    row("Contentful", &["*.contentful.com"], &[],
        "https://www.contentful.com/developers/docs/references/content-delivery-api/"),
    row("Cosmos DB", &["*.documents.azure.com"], &[], "https://learn.microsoft.com/en-us/rest/api/cosmos-db/"),
    row("Databricks", &["*.cloud.databricks.com", "*.azuredatabricks.net"], &[],
        "https://docs.databricks.com/api/workspace/introduction"),
    telemetry("Datadog", &["*.datadoghq.com", "*.datadoghq.eu", "*.ddog-gov.com"],
        &["dd-api-key", "datadog-meta-lang"], "https://docs.datadoghq.com/agent/configuration/network/"),
    row("DeepL", &["api.deepl.com", "api-free.deepl.com"], &[], "https://developers.deepl.com/docs"),
    row("DeepSeek", &["api.deepseek.com"], &[], "https://api-docs.deepseek.com/"),
    row("DigitalOcean", &["api.digitalocean.com"], &[], "https://docs.digitalocean.com/reference/api/"),
    row("Discord", &["discord.com", "discordapp.com"], &[], "https://discord.com/developers/docs/reference"),
    row("Docker Registry", &["registry-1.docker.io", "auth.docker.io"], &["docker-distribution-api-version"],
        "https://distribution.github.io/distribution/spec/api/"),
    row("DocuSign", &["*.docusign.net", "*.docusign.com"], &[], "https://developers.docusign.com/docs/esign-rest-api/"),
    row("Dropbox", &["api.dropboxapi.com", "content.dropboxapi.com"], &[],
        "https://www.dropbox.com/developers/documentation/http/documentation"),
    telemetry("Dynatrace", &["*.live.dynatrace.com"], &[],
        "https://docs.dynatrace.com/docs/dynatrace-api/basics/access-to-dynatrace-api"),
    row("EasyPost", &["api.easypost.com"], &[], "https://docs.easypost.com/"),
    row("Elasticsearch", &["*.elastic-cloud.com", "*.elastic.cloud"], &["x-elastic-client-meta", "x-elastic-product"],
        "https://www.elastic.co/docs/api/doc/elasticsearch/"),
    row("ElevenLabs", &["api.elevenlabs.io"], &[], "https://elevenlabs.io/docs/api-reference/introduction"),
    row("Facebook Graph", &["graph.facebook.com"], &["x-fb-trace-id"],
        "https://developers.facebook.com/docs/graph-api/overview/"),
    row("Figma", &["api.figma.com"], &["x-figma-token"], "https://www.figma.com/developers/api"),
    row("Freshdesk", &["*.freshdesk.com"], &[], "https://developers.freshdesk.com/api/"),
    row("GitHub", &["api.github.com", "uploads.github.com"], &["x-github-api-version", "x-github-request-id"],
        "https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api"),
    row("GitLab", &["gitlab.com"], &["x-gitlab-meta"], "https://docs.gitlab.com/api/rest/"),
    row("GoCardless", &["api.gocardless.com", "api-sandbox.gocardless.com"], &["gocardless-version"],
        "https://developer.gocardless.com/api-reference/"),
    row("Groq", &["api.groq.com"], &[], "https://console.groq.com/docs/api-reference"),
    row("Heroku", &["api.heroku.com"], &[], "https://devcenter.heroku.com/articles/platform-api-reference"),
    telemetry("Honeycomb", &["api.honeycomb.io", "api.eu1.honeycomb.io"], &["x-honeycomb-team"],
        "https://api-docs.honeycomb.io/api"),
    row("Hubspot", &["api.hubapi.com", "api.hubspot.com"], &[], "https://developers.hubspot.com/docs/api/overview"),
    row("Hugging Face", &["huggingface.co", "*.huggingface.co"], &[],
        "https://huggingface.co/docs/inference-providers/index"),
    row("InfluxDB", &["*.cloud2.influxdata.com"], &["x-influxdb-build", "x-influxdb-version"],
        "https://docs.influxdata.com/influxdb/v2/api/"),
    row("Intercom", &["api.intercom.io"], &["intercom-version"],
        "https://developers.intercom.com/docs/references/rest-api/api.intercom.io/"),
    row("Klarna", &["*.klarna.com"], &["klarna-correlation-id"], "https://docs.klarna.com/api/api-urls/"),
    row("Kubernetes", &["kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"],
        &["x-kubernetes-pf-flowschema-uid"],
        "https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/"),
    row("LaunchDarkly", &["*.launchdarkly.com"], &["x-launchdarkly-event-schema"],
        "https://launchdarkly.com/docs/sdk/concepts/domain-list"),
    row("Linear", &["api.linear.app"], &[], "https://linear.app/developers/graphql"),
    row("Mailchimp", &["*.api.mailchimp.com", "mandrillapp.com"], &[],
        "https://mailchimp.com/developer/marketing/docs/fundamentals/"),
    row("Mailgun", &["api.mailgun.net", "api.eu.mailgun.net"], &[],
        "https://documentation.mailgun.com/docs/mailgun/api-reference/"),
    row("Mapbox", &["api.mapbox.com"], &[], "https://docs.mapbox.com/api/overview/"),
    row("Microsoft Entra ID", &["login.microsoftonline.com"], &[],
        "https://learn.microsoft.com/en-us/entra/identity-platform/v2-protocols"),
    row("Microsoft Graph", &["graph.microsoft.com"], &[], "https://learn.microsoft.com/en-us/graph/use-the-api"),
    row("Mistral", &["api.mistral.ai"], &[], "https://docs.mistral.ai/api/"),
    row("Mollie", &["api.mollie.com"], &[], "https://docs.mollie.com/reference/overview"),
    telemetry("New Relic", &["*.newrelic.com", "*.nr-data.net"], &[],
        "https://docs.newrelic.com/docs/new-relic-solutions/get-started/networks/"),
    row("Notion", &["api.notion.com"], &["notion-version"], "https://developers.notion.com/reference/intro"),
    row("Okta", &["*.okta.com", "*.oktapreview.com", "*.okta-emea.com"], &["x-okta-request-id"],
        "https://developer.okta.com/docs/reference/core-okta-api/"),
    row("OpenAI", &["api.openai.com"], &["openai-organization", "openai-version"],
        "https://platform.openai.com/docs/api-reference/introduction"),
    row("OpenRouter", &["openrouter.ai"], &[], "https://openrouter.ai/docs/api-reference/overview"),
    row("Opsgenie", &["api.opsgenie.com", "api.eu.opsgenie.com"], &[], "https://docs.opsgenie.com/docs/api-overview"),
    row("PagerDuty", &["api.pagerduty.com", "events.pagerduty.com"], &[],
        "https://developer.pagerduty.com/docs/rest-api-overview"),
    row("PayPal", &["*.paypal.com"], &["paypal-request-id", "paypal-debug-id"],
        "https://developer.paypal.com/api/rest/requests/"),
    row("Perplexity", &["api.perplexity.ai"], &[], "https://docs.perplexity.ai/api-reference/"),
    row("Pinecone", &["*.pinecone.io"], &["x-pinecone-api-version"], "https://docs.pinecone.io/reference/api/introduction"),
    row("Pipedrive", &["*.pipedrive.com"], &[], "https://developers.pipedrive.com/docs/api/v1"),
    row("Plaid", &["production.plaid.com", "development.plaid.com", "sandbox.plaid.com"],
        &["plaid-client-id", "plaid-version"], "https://plaid.com/docs/api/"),
    row("Postmark", &["api.postmarkapp.com"], &["x-postmark-server-token"],
        "https://postmarkapp.com/developer/api/overview"),
    telemetry("Prometheus", &[], &["x-prometheus-remote-write-version"],
        "https://prometheus.io/docs/specs/prw/remote_write_spec/"),
    row("Replicate", &["api.replicate.com"], &[], "https://replicate.com/docs/reference/http"),
    row("Resend", &["api.resend.com"], &[], "https://resend.com/docs/api-reference/introduction"),
    telemetry("Rollbar", &["api.rollbar.com"], &["x-rollbar-access-token"], "https://docs.rollbar.com/reference/"),
    row("Salesforce", &["*.salesforce.com", "*.force.com"], &["sforce-limit-info"],
        "https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/"),
    row("Segment", &["api.segment.io"], &[],
        "https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/"),
    row("SendGrid", &["api.sendgrid.com", "api.eu.sendgrid.com"], &[],
        "https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/"),
    telemetry("Sentry", &["*.sentry.io"], &["x-sentry-auth"], "https://develop.sentry.dev/sdk/overview/"),
    row("Shippo", &["api.goshippo.com"], &["shippo-api-version"], "https://docs.goshippo.com/"),
    row("Shopify", &["*.myshopify.com"], &["x-shopify-access-token", "x-shopify-api-version"],
        "https://shopify.dev/docs/api/admin-rest"),
    row("Slack", &["slack.com", "*.slack.com"], &["x-slack-req-id"],
        "https://docs.slack.dev/apis/web-api/"),
    row("Snowflake", &["*.snowflakecomputing.com"], &["x-snowflake-authorization-token-type"],
        "https://docs.snowflake.com/en/developer-guide/sql-api/reference"),
    row("Spotify", &["api.spotify.com", "accounts.spotify.com"], &[],
        "https://developer.spotify.com/documentation/web-api"),
    row("Square", &["connect.squareup.com", "connect.squareupsandbox.com"], &["square-version"],
        "https://developer.squareup.com/reference/square"),
    row("Stripe", &["api.stripe.com", "files.stripe.com", "connect.stripe.com", "meter-events.stripe.com"],
        &["stripe-account", "stripe-version"], "https://docs.stripe.com/api"),
    row("Supabase", &["*.supabase.co"], &[], "https://supabase.com/docs/guides/api"),
    row("Telegram", &["api.telegram.org"], &[], "https://core.telegram.org/bots/api"),
    row("Together AI", &["api.together.xyz", "api.together.ai"], &[], "https://docs.together.ai/reference/"),
    row("Trello", &["api.trello.com"], &[], "https://developer.atlassian.com/cloud/trello/rest/"),
    row("Twilio", &["*.twilio.com"], &["twilio-request-id"], "https://www.twilio.com/docs/usage/requests-to-twilio"),
    row("Vault", &[], &["x-vault-token"], "https://developer.hashicorp.com/vault/api-docs"),
    row("Vercel", &["api.vercel.com"], &[], "https://vercel.com/docs/rest-api"),
    row("Vonage", &["api.nexmo.com", "rest.nexmo.com", "*.vonage.com"], &[],
        "https://developer.vonage.com/en/api"),
    row("Wise", &["api.wise.com", "api.transferwise.com", "api.sandbox.transferwise.tech"], &[],
        "https://docs.wise.com/api-docs/api-reference"),
    row("xAI", &["api.x.ai"], &[], "https://docs.x.ai/docs/api-reference"),
    row("Xero", &["api.xero.com", "identity.xero.com"], &["xero-tenant-id"],
        "https://developer.xero.com/documentation/api/accounting/overview"),
    row("Zendesk", &["*.zendesk.com"], &["x-zendesk-request-id"],
        "https://developer.zendesk.com/api-reference/introduction/requests/"),
    row("Zoho", &["www.zohoapis.com", "www.zohoapis.eu", "accounts.zoho.com"], &[],
        "https://www.zoho.com/crm/developer/docs/api/v8/"),
    row("Zoom", &["api.zoom.us"], &["x-zm-trackingid"], "https://developers.zoom.us/docs/api/"),
];

pub(super) fn look_at_host(name: &str, found: &mut Technologies) {
    for service in SERVICES {
        if service.hosts.iter().any(|pattern| host::fits(pattern, name)) {
            found.found(service.tag, || host::evidence(name));
        }
    }
}

pub(super) fn look(exchange: &Exchange, found: &mut Technologies) {
    let answered = exchange.response.iter().flat_map(|response| response.headers.iter());
    for (name, _) in exchange.request.headers.iter().chain(answered) {
        // Most headers are everybody's: those that are one's alone have a dash.
        if name.contains(&b'-') {
            look_at_header(name, found);
        }
    }
}

fn look_at_header(name: &[u8], found: &mut Technologies) {
    let is = |known: &&&str| name.eq_ignore_ascii_case(known.as_bytes());
    for service in SERVICES {
        if let Some(known) = service.headers.iter().find(is) {
            found.found(service.tag, || format!("header {known}").into());
        }
    }
}
