import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle.js';
import 'swagger-ui-dist/swagger-ui.css';
import './styles/docs.css';

// Without the validator's badge, which would be fetched from somebody else's server.
SwaggerUI({ dom_id: '#docs', url: 'openapi.json', validatorUrl: null, deepLinking: true });
