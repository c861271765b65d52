//! AWS's services: what they are called, and the names that requests to them bear.
//!
//! Source: the service models that AWS publishes with its SDKs (<https://github.com/boto/botocore/tree/develop/botocore/data>), keys
//! `targetPrefix`, `signingName` and `endpointPrefix`; for hosts also <https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html>.

use crate::technology::tag::{Kind, Tag};

/// A service of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwsService {
    /// Its tag.
    pub tag: Tag,
    /// What stands before the dot of `X-Amz-Target`; empty where it has none.
    pub target: &'static str,
    /// The service in the credential scope. Of several services with one, the first is meant.
    pub scope: &'static str,
    /// How its hosts end, without the region and what is behind it. The first that fits counts.
    pub hosts: &'static [&'static str],
}

const fn row(
    name: &'static str,
    target: &'static str,
    scope: &'static str,
    hosts: &'static [&'static str],
) -> AwsService {
    AwsService { tag: Tag::service(name), target, scope, hosts }
}

/// The services that are known by name. Of the others there is the tag `AWS` alone.
pub const AWS_SERVICES: &[AwsService] = &[
    row("ACM", "CertificateManager", "acm", &["acm"]),
    row("API Gateway", "", "execute-api", &["execute-api"]),
    row("API Gateway", "", "apigateway", &["apigateway"]),
    row("AppConfig", "", "appconfig", &["appconfigdata", "appconfig"]),
    row("AppSync", "", "appsync", &["appsync-api", "appsync"]),
    row("Athena", "AmazonAthena", "athena", &["athena"]),
    row("Auto Scaling", "", "autoscaling", &["autoscaling"]),
    row("Batch", "", "batch", &["batch"]),
    row("Bedrock", "", "bedrock", &["bedrock-runtime", "bedrock-agent-runtime", "bedrock-agent", "bedrock"]),
    row("CloudFormation", "", "cloudformation", &["cloudformation"]),
    row("CloudFront", "", "cloudfront", &["cloudfront"]),
    row("CloudTrail", "CloudTrail_20131101", "cloudtrail", &["cloudtrail"]),
    row("CloudWatch", "GraniteServiceVersion20100801", "monitoring", &["monitoring"]),
    row("CloudWatch Logs", "Logs_20140328", "logs", &["logs"]),
    row("Cloud Map", "Route53AutoNaming_v20170314", "servicediscovery", &["servicediscovery"]),
    row("CodeBuild", "CodeBuild_20161006", "codebuild", &["codebuild"]),
    row("Cognito", "AWSCognitoIdentityProviderService", "cognito-idp", &["cognito-idp"]),
    row("Cognito", "AWSCognitoIdentityService", "cognito-identity", &["cognito-identity"]),
    row("Comprehend", "Comprehend_20171127", "comprehend", &["comprehend"]),
    row("DynamoDB", "DynamoDB_20120810", "dynamodb", &[]),
    row("DynamoDB Streams", "DynamoDBStreams_20120810", "dynamodb", &["streams.dynamodb"]),
    // Behind the streams, whose host ends so too.
    row("DynamoDB", "DynamoDB_20120810", "dynamodb", &["ddb", "dynamodb"]),
    row("EC2", "", "ec2", &["ec2"]),
    row("ECR", "AmazonEC2ContainerRegistry_V20150921", "ecr", &["api.ecr", "dkr.ecr"]),
    row("ECS", "AmazonEC2ContainerServiceV20141113", "ecs", &["ecs"]),
    row("EKS", "", "eks", &["eks"]),
    row("ElastiCache", "", "elasticache", &["elasticache"]),
    row("Elastic Load Balancing", "", "elasticloadbalancing", &["elasticloadbalancing"]),
    row("EMR", "ElasticMapReduce", "elasticmapreduce", &["elasticmapreduce"]),
    row("EventBridge", "AWSEvents", "events", &["events"]),
    row("EventBridge Scheduler", "", "scheduler", &["scheduler"]),
    row("Firehose", "Firehose_20150804", "firehose", &["firehose"]),
    row("Glue", "AWSGlue", "glue", &["glue"]),
    row("IAM", "", "iam", &["iam"]),
    row("IoT", "", "iotdata", &["iot"]),
    row("IoT", "", "iot", &[]),
    row("Kendra", "AWSKendraFrontendService", "kendra", &["kendra"]),
    row("Kinesis", "Kinesis_20131202", "kinesis", &["kinesis"]),
    row("KMS", "TrentService", "kms", &["kms"]),
    row("Lambda", "", "lambda", &["lambda", "lambda-url"]),
    row("Location", "", "geo", &["geo"]),
    row("MSK", "", "kafka", &["kafka"]),
    row("OpenSearch", "OpenSearchServerless", "aoss", &["aoss"]),
    row("OpenSearch", "", "es", &["es"]),
    row("Organizations", "AWSOrganizationsV20161128", "organizations", &["organizations"]),
    row("Pinpoint", "", "mobiletargeting", &["pinpoint"]),
    row("Polly", "", "polly", &["polly"]),
    row("RDS", "", "rds", &["rds"]),
    row("RDS Data", "", "rds-data", &["rds-data"]),
    row("Redshift", "", "redshift", &["redshift"]),
    row("Redshift Data", "RedshiftData", "redshift-data", &["redshift-data"]),
    row("Rekognition", "RekognitionService", "rekognition", &["rekognition"]),
    row("Route 53", "", "route53", &["route53"]),
    row("S3", "", "s3", &["s3", "s3-accesspoint", "s3-control", "s3-accelerate", "s3-website", "s3-fips"]),
    row("SageMaker", "SageMaker", "sagemaker", &["api.sagemaker", "runtime.sagemaker"]),
    row("Secrets Manager", "secretsmanager", "secretsmanager", &["secretsmanager"]),
    row("SES", "", "ses", &["email"]),
    row("SNS", "", "sns", &["sns"]),
    row("SQS", "AmazonSQS", "sqs", &["sqs", "queue"]),
    row("SSM", "AmazonSSM", "ssm", &["ssm"]),
    row("Step Functions", "AWSStepFunctions", "states", &["states", "sync-states"]),
    row("STS", "", "sts", &["sts"]),
    row("Textract", "Textract", "textract", &["textract"]),
    row("Timestream", "Timestream_20181101", "timestream", &["timestream"]),
    row("Transcribe", "Transcribe", "transcribe", &["transcribe"]),
    row("Translate", "AWSShineFrontendService_20170701", "translate", &["translate"]),
    row("WAF", "AWSWAF_20190729", "wafv2", &["wafv2"]),
    AwsService {
        tag: Tag { name: "X-Ray", kind: Kind::Telemetry },
        target: "",
        scope: "xray",
        hosts: &["xray"],
    },
];
