"""Every stage for real, one after the other in one process: TensorFlow is imported once.

`python -m tests.every_stage` in the folder of a project.
"""


def main() -> None:
    from cnnviz import config
    from stages import (
        analyze_model,
        apply_fixed_filters,
        compare_models,
        compute_feature_maps,
        download_images,
        download_model,
        enlarge_filters,
        extract_weights,
        follow_training,
        judge_explanations,
        maximize_filters,
        render_report,
    )

    download_images.main()
    for key in config.load().models:
        for one in (download_model, extract_weights, compute_feature_maps, maximize_filters, analyze_model):
            one.main(key)
        follow_training.main(key)
    for key in config.load().models:
        judge_explanations.main(key)
    enlarge_filters.main()
    apply_fixed_filters.main()
    compare_models.main()
    render_report.main()


if __name__ == "__main__":
    main()
