# Type it as somebody who may make applications (`az login`); what is there already is left as it is.
(set -eu
REPOSITORY=owner/name # where `gh api repos/owner/name/actions/oidc/customization/sub` shows that the
# subject begins otherwise, put that in the place of repo:$REPOSITORY
STORAGE_ACCOUNT=my-account
SCOPE=$(az storage account show --name "$STORAGE_ACCOUNT" --query id --output tsv)
SCOPE="$SCOPE/blobServices/default/containers/{{ bucket }}"
TRUST=$(cat <<END
{
  "name": "dvc-remote",
  "issuer": "https://token.actions.githubusercontent.com",
  "subject": "repo:$REPOSITORY:environment:dvc-remote",
  "audiences": ["api://AzureADTokenExchange"]
}
END
)
APP=$(az ad app list --display-name "{{ name }}" --query '[0].appId' --output tsv)
[ -n "$APP" ] || APP=$(az ad app create --display-name "{{ name }}" --query appId --output tsv)
az ad sp show --id "$APP" >/dev/null 2>&1 || az ad sp create --id "$APP"
az ad app federated-credential show --id "$APP" --federated-credential-id dvc-remote \
  >/dev/null 2>&1 || az ad app federated-credential create --id "$APP" --parameters "$TRUST"
ROLE=$(az role assignment list --assignee "$APP" --scope "$SCOPE" --query '[0].id' --output tsv)
[ -n "$ROLE" ] || az role assignment create --assignee "$APP" --scope "$SCOPE" \
  --role 'Storage Blob Data Contributor'
TENANT=$(az account show --query tenantId --output tsv)
echo "AZURE_CLIENT_ID is $APP, AZURE_TENANT_ID $TENANT, AZURE_STORAGE_ACCOUNT $STORAGE_ACCOUNT"
)
