/**
 * A TEST'S certificate for 127.0.0.1, and its key: self-signed, good from 2020 to 2120, trusted by nobody but the tests
 * that hand it to a client of theirs. The key is no secret, and protects nothing.
 */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBajCCARGgAwIBAgIBATAKBggqhkjOPQQDAjAWMRQwEgYDVQQDDAt0cm91cGUg
dGVzdDAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFjEUMBIGA1UE
AwwLdHJvdXBlIHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS7jK1lvsZ0
39sqjA37FT298079PbwjysKcKACN/MblMv8SOQWPgZNV/Yzu5YstC9TF3XchmU3w
t1gYppHnRra/o04wTDAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwDwYDVR0T
AQH/BAUwAwEB/zAdBgNVHQ4EFgQUMYGzYenbdztX4KE2UkCJxq/4xxIwCgYIKoZI
zj0EAwIDRwAwRAIgTo91IqYuPfqYWK/YTveBTh1m0EnEmOikXwsCqr8yoEECIDy+
1UgVAnyZJyCDNRWL0I5wsuXQjKzZ/yz33WfA39fD
-----END CERTIFICATE-----
`;

export const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkPjzOB0Zvdi0mJ3t
zgKD2BiyBRSAJszPxQj/V3HBOqChRANCAAS7jK1lvsZ039sqjA37FT298079Pbwj
ysKcKACN/MblMv8SOQWPgZNV/Yzu5YstC9TF3XchmU3wt1gYppHnRra/
-----END PRIVATE KEY-----
`;
