# Short names; each recipe is one command that works without just.

# Build everything and run the main job on a folder
demo folder="host":
    sh tests/demo.sh {{folder}}

# All tests, real servers included
test:
    sh tests/all.sh

# Try every promise of PROMISES.md at full length
promises:
    sh tests/promises.sh

# Give every parser of foreign bytes what a fuzzer finds
fuzz seconds="60":
    sh tests/fuzz.sh {{seconds}}

# Which code of the repository and the storage their tests reach
coverage:
    sh tests/coverage.sh

# Change the repository and the storage at random, and tell which changes no test notices
mutation minutes="60":
    sh tests/mutation.sh {{minutes}}

# The page in headless Chromium, against the real service
test-page:
    sh tests/page.sh

# Compare speed with other backup programs on the same data
bench:
    sh tests/bench.sh peers

# Compare datastore plugins with the makers' own tools piped into restic
bench-vendors *names:
    sh tests/bench.sh vendors {{names}}

# Build lockgate and its plugins
build:
    sh tests/prepare.sh

# What a change must pass before it is handed in
check:
    cargo fmt --all --check
    cargo clippy --locked --workspace --all-targets
