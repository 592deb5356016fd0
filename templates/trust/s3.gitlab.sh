# Make the role once, for this project only:
ACCOUNT=123456789012 PROJECT=group/name
aws iam create-open-id-connect-provider --client-id-list sts.amazonaws.com \
  --url https://gitlab.com
cat > trust.json <<END
{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow",
  "Action": "sts:AssumeRoleWithWebIdentity",
  "Principal": {"Federated": "arn:aws:iam::$ACCOUNT:oidc-provider/gitlab.com"},
  "Condition": {
    "StringEquals": {"gitlab.com:aud": "sts.amazonaws.com"},
    "StringLike": {"gitlab.com:sub": "project_path:$PROJECT:ref_type:branch:ref:*"}
  }
}]}
END
cat > policy.json <<END
{% include 'policies/s3.json' -%}
END
aws iam create-role --role-name dvc --assume-role-policy-document file://trust.json
aws iam put-role-policy --role-name dvc --policy-name dvc --policy-document file://policy.json
