"""All SQL of this service, by who looks: approvers, auditors, operators. Every query of the API names the site, and sees no other."""
