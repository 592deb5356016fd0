# Type it as somebody who may make roles (`aws configure`); what is there already is left as it is.
(set -eu
REPOSITORY=owner/name # where `gh api repos/owner/name/actions/oidc/customization/sub` shows that the
# subject begins otherwise, put that in the place of repo:$REPOSITORY
ACCOUNT=$(aws sts get-caller-identity --query Account --output text)
PROVIDER="arn:aws:iam::$ACCOUNT:oidc-provider/token.actions.githubusercontent.com"
TRUST=$(cat <<END
{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow",
  "Action": "sts:AssumeRoleWithWebIdentity",
  "Principal": {"Federated": "$PROVIDER"},
  "Condition": {"StringEquals": {
    "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
    "token.actions.githubusercontent.com:sub": "repo:$REPOSITORY:environment:dvc-remote"
  }}
}]}
END
)
POLICY=$(cat <<END
{% include 'policies/s3.json' -%}
END
)
aws iam get-open-id-connect-provider --open-id-connect-provider-arn "$PROVIDER" >/dev/null 2>&1 ||
  aws iam create-open-id-connect-provider --client-id-list sts.amazonaws.com \
    --url "https://token.actions.githubusercontent.com"
aws iam get-role --role-name "{{ name }}" >/dev/null 2>&1 ||
  aws iam create-role --role-name "{{ name }}" --assume-role-policy-document "$TRUST"
aws iam put-role-policy --role-name "{{ name }}" --policy-name dvc --policy-document "$POLICY"
echo "AWS_ROLE_ARN is arn:aws:iam::$ACCOUNT:role/{{ name }}"
)
