# Short names; each recipe is one command that works without just.

# Build everything and run the main job on a folder
demo folder="host":
    sh tests/demo.sh {{folder}}

# All tests, real servers included
test:
    sh tests/all.sh

# Compare speed with restic and rustic on the same data
bench:
    sh tests/bench.sh

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
