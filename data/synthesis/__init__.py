"""Training pairs: scenes, blur, recipes, and the pipeline that makes batches of them."""
