#!/bin/sh
# Checks the REST API against its OpenAPI document with schemathesis. Takes minutes, and needs the Python package index once.
set -eu
cd "$(dirname "$0")/.."
cargo test --locked --workspace --test service -- --ignored --nocapture the_service_answers_as_its_document_says
