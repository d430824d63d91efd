"""The example project: a SaaS that runs on saas_kit."""
