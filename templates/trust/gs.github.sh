# Make the provider once, for this repository and its environment only:
PROJECT=my-project NUMBER=123456789012 REPOSITORY=owner/name
# if GitHub says that the subject begins otherwise, put that in place of repo:$REPOSITORY below
gh api "repos/$REPOSITORY/actions/oidc/customization/sub"
gcloud iam workload-identity-pools create dvc-pool --project="$PROJECT" --location=global
gcloud iam workload-identity-pools providers create-oidc dvc-ci --project="$PROJECT" \
  --location=global --workload-identity-pool=dvc-pool \
  --issuer-uri=https://token.actions.githubusercontent.com \
  --attribute-mapping=google.subject=assertion.sub \
  --attribute-condition="assertion.sub=='repo:$REPOSITORY:environment:dvc-remote'"
gcloud iam service-accounts create dvc-remote --project="$PROJECT"
gcloud iam service-accounts add-iam-policy-binding \
  "dvc-remote@$PROJECT.iam.gserviceaccount.com" --role=roles/iam.workloadIdentityUser \
  --member="principal://iam.googleapis.com/projects/$NUMBER/locations/global/workloadIdentityPools/dvc-pool/subject/repo:$REPOSITORY:environment:dvc-remote"
gcloud storage buckets add-iam-policy-binding "gs://{{ bucket }}" --role=roles/storage.objectUser \
  --member="serviceAccount:dvc-remote@$PROJECT.iam.gserviceaccount.com"
