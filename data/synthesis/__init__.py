"""Training pairs: VOC's scenes, blur, recipes, and the pipeline that makes batches of them."""
