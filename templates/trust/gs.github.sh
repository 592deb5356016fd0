# Type it as an owner of the Google Cloud project (`gcloud auth login`); what is there already is left as
# it is.
(set -eu
REPOSITORY=owner/name # where `gh api repos/owner/name/actions/oidc/customization/sub` shows that the
# subject begins otherwise, put that in the place of repo:$REPOSITORY
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
    --issuer-uri="https://token.actions.githubusercontent.com" \
    --attribute-mapping=google.subject=assertion.sub \
    --attribute-condition="assertion.sub=='repo:$REPOSITORY:environment:dvc-remote'"
gcloud iam service-accounts describe "$ACCOUNT" --project="$CLOUD" >/dev/null 2>&1 ||
  gcloud iam service-accounts create "{{ google_name }}" --project="$CLOUD"
gcloud iam service-accounts add-iam-policy-binding "$ACCOUNT" \
  --role=roles/iam.workloadIdentityUser --project="$CLOUD" \
  --member="principal://iam.googleapis.com/projects/$NUMBER/locations/global/workloadIdentityPools/$POOL/subject/repo:$REPOSITORY:environment:dvc-remote"
gcloud storage buckets add-iam-policy-binding "gs://{{ bucket }}" --role=roles/storage.objectUser \
  --member="serviceAccount:$ACCOUNT"
echo "GCP_SERVICE_ACCOUNT is $ACCOUNT, and GCP_WORKLOAD_IDENTITY_PROVIDER is"
echo "projects/$NUMBER/locations/global/workloadIdentityPools/$POOL/providers/{{ google_name }}"
)
