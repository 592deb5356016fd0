# Make the application once, trust this repository's environment only, and let it use this container
# only:
REPOSITORY=owner/name
# if GitHub says that the subject begins otherwise, put that in place of repo:$REPOSITORY below
gh api "repos/$REPOSITORY/actions/oidc/customization/sub"
ACCOUNT_ID=$(az storage account show --name ACCOUNT --query id --output tsv)
APP=$(az ad app create --display-name dvc --query appId --output tsv)
az ad sp create --id "$APP"
cat > trust.json <<END
{
  "name": "dvc-remote",
  "issuer": "https://token.actions.githubusercontent.com",
  "subject": "repo:$REPOSITORY:environment:dvc-remote",
  "audiences": ["api://AzureADTokenExchange"]
}
END
az ad app federated-credential create --id "$APP" --parameters trust.json
az role assignment create --assignee "$APP" --role 'Storage Blob Data Contributor' \
  --scope "$ACCOUNT_ID/blobServices/default/containers/{{ bucket }}"
