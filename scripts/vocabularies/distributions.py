"""The distributions whose public exceptions notebook users meet most."""

from typing import Final

_NAMES: Final = """
aiohttp aiosqlite altair anthropic anyio attrs azure-core beautifulsoup4 bokeh boto3 botocore
catboost click cloudpickle cohere cryptography dask datasets dill distributed django dspy
fastapi filelock fireworks-ai flask fsspec gensim geopandas google-api-core google-auth
google-cloud-bigquery google-genai groq grpcio gymnasium h11 httpcore httpx huggingface-hub
hypothesis ipykernel ipyparallel ipython ipywidgets jax jinja2 joblib jsonschema jupysql
jupyter-client jupyter-core keras langchain-classic langchain-core langgraph lightgbm lightning
litellm llama-index-core llvmlite matplotlib mistralai mlflow-skinny msgspec narwhals nbclient
nbconvert nbformat networkx nltk numba numpy ollama openai openpyxl optuna oracledb packaging
pandas pandera papermill parso patsy pexpect pillow pint pip platformdirs playwright plotly
polars prompt-toolkit psutil psycopg psycopg2-binary py4j pydantic pydantic-core pygments
pymongo pymysql pyparsing pyproj pytest python-dateutil pytz pyyaml pyzmq rasterio ray redis
referencing requests rich s3fs safetensors scikit-learn scipy scrapy seaborn selenium
sentence-transformers shapely snowflake-connector-python spacy sqlalchemy sqlglot sqlmodel
starlette statsmodels sympy tenacity together tokenizers torch tornado tqdm traitlets
transformers trio typer urllib3 wandb websockets werkzeug xai-sdk xarray xgboost xlrd zarr
"""
DISTRIBUTIONS: Final = tuple(_NAMES.split())
# Modules of many exceptions that hardly ever reach a notebook.
PASSED_OVER: Final = (
    "aiohttp.web_exceptions",
    "anthropic.types.",
    "fireworks.training.",
    "grpc.framework.",
    "litellm.llms.",
    "litellm.proxy.",
    "numpy.distutils.",
    "pip._internal.",
    "pydantic.v1.errors",
    "together.lib.cli.",
)
