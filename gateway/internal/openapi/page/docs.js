// Shows /openapi.yaml with Swagger UI. Nothing is loaded from elsewhere: no validator badge, no query parameter that names another description.

// Browsers send no body with GET. While such a request is tried, its place says so, and what to do instead.
const noBodyOfGet = () => ({
  wrapComponents: {
    RequestBody: (Original, { React }) => (props) => { // props.specPath is such as paths, /api/inventory, get, requestBody
      if (props.isExecute && props.specPath.includes("get")) {
        return React.createElement("p", { className: "docs-note" }, "Browsers send no body with GET. Name the SKUs in the parameter skuCode.");
      }
      return React.createElement(Original, props);
    },
  },
});

// The example of a body is sent where no editor shows it, so it is taken out of a GET here.
const withoutBodyOfGet = (request) => {
  if (request.method === "GET") {
    delete request.body;
    delete request.headers["Content-Type"];
  }
  return request;
};

window.ui = SwaggerUIBundle({
  url: "/openapi.yaml",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  queryConfigEnabled: false,
  plugins: [noBodyOfGet],
  requestInterceptor: withoutBodyOfGet,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  supportedSubmitMethods: ["get", "post"],
});
