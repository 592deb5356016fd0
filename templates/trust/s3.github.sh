# Make the role once, for this repository and its environment only:
ACCOUNT=123456789012 REPOSITORY=owner/name
# if GitHub says that the subject begins otherwise, put that in place of repo:$REPOSITORY below
gh api "repos/$REPOSITORY/actions/oidc/customization/sub"
aws iam create-open-id-connect-provider --client-id-list sts.amazonaws.com \
  --url https://token.actions.githubusercontent.com
cat > trust.json <<END
{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow",
  "Action": "sts:AssumeRoleWithWebIdentity",
  "Principal": {
    "Federated": "arn:aws:iam::$ACCOUNT:oidc-provider/token.actions.githubusercontent.com"
  },
  "Condition": {"StringEquals": {
    "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
    "token.actions.githubusercontent.com:sub": "repo:$REPOSITORY:environment:dvc-remote"
  }}
}]}
END
cat > policy.json <<END
{% include 'policies/s3.json' -%}
END
aws iam create-role --role-name dvc --assume-role-policy-document file://trust.json
aws iam put-role-policy --role-name dvc --policy-name dvc --policy-document file://policy.json
