"""Where the demo's parts are: names and API paths that everything in the story shares."""

from __future__ import annotations

from tests.e2e.story.kube import Service

NAMESPACE = "production"
DEPLOYMENT = "deltacrown"
POLICY = "certificates"
POD_LABELS = "app.kubernetes.io/name=deltacrown"
OPERATOR_NAMESPACE = "certstorage-system"
OPERATOR_LABELS = "app.kubernetes.io/name=certstorage-operator"

DEPLOYMENT_PATH = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{DEPLOYMENT}"
NODES_PATH = "/api/v1/nodes"
PODS_PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"
EVENTS_PATH = f"/api/v1/namespaces/{NAMESPACE}/events"
JOBS_PATH = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
POLICIES_PATH = f"/apis/storage.deltacrown.io/v1alpha1/namespaces/{NAMESPACE}/certstoragepolicies"
REQUESTS_PATH = f"/apis/storage.deltacrown.io/v1alpha1/namespaces/{NAMESPACE}/certstoragerequests"
INCIDENTS_PATH = f"/apis/storage.deltacrown.io/v1alpha1/namespaces/{NAMESPACE}/certstorageincidents"
POLICY_PATH = f"{POLICIES_PATH}/{POLICY}"

PROMETHEUS = Service("monitoring", "prometheus", 9090)
ALERTMANAGER = Service("monitoring", "alertmanager", 9093)
RECEIVERS = Service("monitoring", "receivers", 8080)
APPLICATION = Service(NAMESPACE, "deltacrown", 80)
S3 = Service("s3", "seaweedfs", 8333)
BUCKET = "deltacrown-certificates"
PREFIX = "certificates/"
LOCAL = "/mnt/media/certificates"
BALLAST = f"{LOCAL}/.ballast"
NO_IMAGE = "localhost/certstorage-no-such-image:dev"
CREDENTIALS_PATH = f"/api/v1/namespaces/{NAMESPACE}/secrets/deltacrown-s3"
FAULT_CONTROL = Service("s3", "s3-control", 9001)
LOADGEN = Service(NAMESPACE, "loadgen", 8080)
