# Type it as an owner of the Google Cloud project (`gcloud auth login`); what is there already is left as
# it is.
(set -eu
PROJECT=group/name GITLAB=gitlab.com # or your own server, which the cloud must be able to reach
CLOUD=my-project POOL=dvc-pool # one pool for all projects; each has a provider of its own in it
ACCOUNT="{{ google_name }}@$CLOUD.iam.gserviceaccount.com"
NUMBER=$(gcloud projects describe "$CLOUD" --format='value(projectNumber)')
gcloud services enable iam.googleapis.com iamcredentials.googleapis.com sts.googleapis.com \
  --project="$CLOUD"
gcloud iam workload-identity-pools describe "$POOL" \
  --project="$CLOUD" --location=global >/dev/null 2>&1 ||
  gcloud iam workload-identity-pools create "$POOL" \
    --project="$CLOUD" --location=global
gcloud iam workload-identity-pools providers describe "{{ google_name }}" \
  --project="$CLOUD" --location=global --workload-identity-pool="$POOL" >/dev/null 2>&1 ||
  gcloud iam workload-identity-pools providers create-oidc "{{ google_name }}" \
    --project="$CLOUD" --location=global --workload-identity-pool="$POOL" \
    --issuer-uri="https://$GITLAB" \
    --attribute-mapping=google.subject=assertion.sub,attribute.project=assertion.project_path \
    --attribute-condition="assertion.project_path=='$PROJECT'"
gcloud iam service-accounts describe "$ACCOUNT" --project="$CLOUD" >/dev/null 2>&1 ||
  gcloud iam service-accounts create "{{ google_name }}" --project="$CLOUD"
gcloud iam service-accounts add-iam-policy-binding "$ACCOUNT" \
  --role=roles/iam.workloadIdentityUser --project="$CLOUD" \
  --member="principalSet://iam.googleapis.com/projects/$NUMBER/locations/global/workloadIdentityPools/$POOL/attribute.project/$PROJECT"
gcloud storage buckets add-iam-policy-binding "gs://{{ bucket }}" --role=roles/storage.objectUser \
  --member="serviceAccount:$ACCOUNT"
echo "GCP_SERVICE_ACCOUNT is $ACCOUNT, and GCP_WORKLOAD_IDENTITY_PROVIDER is"
echo "projects/$NUMBER/locations/global/workloadIdentityPools/$POOL/providers/{{ google_name }}"
)
