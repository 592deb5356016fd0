# Make the application once, trust this project's default branch only, and let it use this container
# only. Mark the variables protected: merge requests then run without the storage, as forks do.
PROJECT=group/name
ACCOUNT_ID=$(az storage account show --name ACCOUNT --query id --output tsv)
APP=$(az ad app create --display-name dvc --query appId --output tsv)
az ad sp create --id "$APP"
cat > trust.json <<END
{
  "name": "dvc-remote",
  "issuer": "https://gitlab.com",
  "subject": "project_path:$PROJECT:ref_type:branch:ref:main",
  "audiences": ["api://AzureADTokenExchange"]
}
END
az ad app federated-credential create --id "$APP" --parameters trust.json
az role assignment create --assignee "$APP" --role 'Storage Blob Data Contributor' \
  --scope "$ACCOUNT_ID/blobServices/default/containers/{{ bucket }}"
