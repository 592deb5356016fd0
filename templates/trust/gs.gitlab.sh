# Make the provider once, for this project only:
PROJECT=my-project NUMBER=123456789012 REPOSITORY=group/name
gcloud iam workload-identity-pools create dvc-pool --project="$PROJECT" --location=global
gcloud iam workload-identity-pools providers create-oidc dvc-ci --project="$PROJECT" \
  --location=global --workload-identity-pool=dvc-pool --issuer-uri=https://gitlab.com \
  --attribute-mapping=google.subject=assertion.sub,attribute.project=assertion.project_path \
  --attribute-condition="assertion.project_path=='$REPOSITORY'"
gcloud iam service-accounts create dvc-remote --project="$PROJECT"
gcloud iam service-accounts add-iam-policy-binding \
  "dvc-remote@$PROJECT.iam.gserviceaccount.com" --role=roles/iam.workloadIdentityUser \
  --member="principalSet://iam.googleapis.com/projects/$NUMBER/locations/global/workloadIdentityPools/dvc-pool/attribute.project/$REPOSITORY"
gcloud storage buckets add-iam-policy-binding "gs://{{ bucket }}" --role=roles/storage.objectUser \
  --member="serviceAccount:dvc-remote@$PROJECT.iam.gserviceaccount.com"
