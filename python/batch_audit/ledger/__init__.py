"""The store's texts and hashes, its verification and its sealing; docs/reference/store.md is the specification."""
