"""Service providers (服务商): who they are, their keys in versions, and the keyring that has them at hand."""
