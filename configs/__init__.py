"""Configuration schemas, bundle manifests, errors, and the YAML files shipped with the package."""
