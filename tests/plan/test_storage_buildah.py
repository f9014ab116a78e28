

def test_a_container_without_image_and_buildah_file_can_t_be_opened(make: StorageMaker) -> None:
    """`buildah rm` imports it first, and that needs an image; the command fails and the container stays."""
    base = make.layer("base of no image")
    make.container("bare", "", base, row=False)

    outcome = run(make.open(), "buildah rm bare")

    assert (taken(outcome, "container"), bool(outcome.failure)) == (set(), True)
